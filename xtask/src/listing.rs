//! `--list`: the experiments and their profiles.

use std::path::Path;

use spectralkd_experiment::config::{self, Source};

use crate::failure::Result;
use crate::output::say;

/// Prints every experiment with its title and profiles; the default profile is starred.
///
/// # Errors
/// The folder or a file cannot be read.
pub fn list(folder: &Path) -> Result<()> {
    for (name, path) in config::list(folder)? {
        let source = Source::read(&path)?;
        let text = |key: &str| {
            source
                .table()
                .get(key)
                .and_then(toml_str)
                .unwrap_or_default()
        };
        let default = text("profile");
        let profiles: Vec<String> = source
            .table()
            .get("profiles")
            .and_then(|p| p.as_table())
            .map(|table| {
                let star = |p: &String| {
                    if *p == default {
                        format!("{p}*")
                    } else {
                        p.clone()
                    }
                };
                table.keys().map(star).collect()
            })
            .unwrap_or_default();
        say!("{name:<14} {}", text("title"));
        say!("{:<14} profiles: {}", "", profiles.join(", "));
    }
    say!("\n* runs when no --profile is given");
    Ok(())
}

fn toml_str(value: &spectralkd_experiment::config::Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
