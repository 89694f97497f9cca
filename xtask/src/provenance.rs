//! Which source code runs: git revision, lock file, command.

use std::path::{Path, PathBuf};
use std::process::Command;

use spectralkd_base::digest::file_sha256;
use spectralkd_base::provenance::Provenance;

/// The workspace's folder; empty, so that paths stay short and relative, where it is the working directory.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent().unwrap_or(here);
    match std::env::current_dir() {
        Ok(current) if current == root => PathBuf::new(),
        _ => root.to_owned(),
    }
}

/// Collects the provenance of this call. What cannot be found stays empty.
pub fn provenance() -> Provenance {
    let root = workspace();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    Provenance {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: revision(&root).unwrap_or_default(),
        lock_sha256: file_sha256(&root.join("Cargo.lock")).unwrap_or_default(),
        command: format!("cargo xtask {}", arguments.join(" ")),
    }
}

/// The commit that is checked out, with `+` where tracked files differ from it.
fn revision(root: &Path) -> Option<String> {
    let root = if root.as_os_str().is_empty() {
        Path::new(".")
    } else {
        root
    };
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let head = git(&["rev-parse", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changes.is_empty() {
        head
    } else {
        format!("{head}+")
    })
}
