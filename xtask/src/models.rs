//! `models`: the registry as a table.

use spectralkd_models::registry::{self, Entry};

use crate::cli::Models;
use crate::failure::Result;
use crate::output::say;

/// Does what the arguments ask for.
///
/// # Errors
/// There is no model of the name.
pub fn models(arguments: &Models) -> Result<()> {
    let entries: Vec<Entry> = match &arguments.name {
        Some(name) => vec![registry::find(name)?],
        None => registry::entries(),
    };
    if arguments.json {
        return json(&entries);
    }
    if arguments.name.is_some() {
        return entries.iter().try_for_each(one);
    }
    say!(
        "{:<35} {:>8} {:>8}  {:>9}  {:>4}  taps",
        "model",
        "params",
        "GMACs",
        "image",
        "crop"
    );
    for entry in &entries {
        let info = entry.config.info()?;
        say!(
            "{:<35} {:>6.1} M {:>8.2}  {:>9}  {:>4}  {}",
            entry.name,
            info.params as f64 / 1e6,
            info.macs as f64 / 1e9,
            format!("{} x {}", info.image[1], info.image[2]),
            entry.preprocessing.crop_pct,
            taps(&info.taps)
        );
    }
    say!("\nmore of one: cargo xtask models NAME");
    Ok(())
}

/// Runs of taps of one shape: "24 of 384 x 14 x 14".
fn taps(shapes: &[[usize; 3]]) -> String {
    let mut runs: Vec<(usize, [usize; 3])> = Vec::new();
    for &shape in shapes {
        match runs.last_mut() {
            Some((count, last)) if *last == shape => *count += 1,
            _ => runs.push((1, shape)),
        }
    }
    let run = |(count, [c, h, w]): (usize, [usize; 3])| match count {
        1 => format!("{c} x {h} x {w}"),
        _ => format!("{count} of {c} x {h} x {w}"),
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(", ")
}

fn one(entry: &Entry) -> Result<()> {
    let info = entry.config.info()?;
    let preprocessing = &entry.preprocessing;
    let [channels, height, width] = info.image;
    say!("{}", entry.name);
    say!("  weights        hf://{}", entry.repository());
    say!("  parameters     {}", info.params);
    say!("  GMACs          {:.4}", info.macs as f64 / 1e9);
    say!("  image          {channels} x {height} x {width}");
    say!("  classes        {}", info.classes);
    say!(
        "  preprocessing  bicubic, crop {}, mean {:?}, std {:?}",
        preprocessing.crop_pct,
        preprocessing.mean,
        preprocessing.std
    );
    for (i, [c, h, w]) in info.taps.iter().enumerate() {
        say!("  tap {i:<10} {c} x {h} x {w}");
    }
    Ok(())
}

fn json(entries: &[Entry]) -> Result<()> {
    let mut list = Vec::new();
    for entry in entries {
        let info = entry.config.info()?;
        list.push(serde_json::json!({
            "name": entry.name,
            "tag": entry.tag,
            "repository": entry.repository(),
            "config": entry.config,
            "params": info.params,
            "macs": info.macs,
            "image": info.image,
            "classes": info.classes,
            "taps": info.taps,
            "crop_pct": entry.preprocessing.crop_pct,
            "mean": entry.preprocessing.mean,
            "std": entry.preprocessing.std,
        }));
    }
    say!("{}", serde_json::to_string_pretty(&list)?);
    Ok(())
}
