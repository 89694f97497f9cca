//! Draws every kind of figure, and a report that holds them, into a folder.
//!
//! ```text
//! cargo run -p spectralkd-report --example gallery -- /tmp/gallery
//! ```
//!
//! The numbers are made up. The gallery is there to be looked at: at the width
//! of a desktop and of a phone, in light and dark.

mod heat_maps;
mod intervals;
mod lines;
mod panels;
mod report;

use std::path::PathBuf;

use spectralkd_report::figure::Figure;

use heat_maps::{chosen_pairs, large_pairs, pairs};
use intervals::{crowded_verdicts, verdicts};
use lines::{intensity_over_depth, learning_curves, many_curves, named_curves};
use panels::{spectra, trajectory};
use report::report;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err("name the folder to draw into".into());
    };
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("report.html"), report()?.to_html()?)?;
    for figure in figures()? {
        std::fs::write(
            folder.join(format!("{}.svg", figure.id)),
            figure.standalone(),
        )?;
        std::fs::write(folder.join(format!("{}.csv", figure.id)), &figure.csv)?;
    }
    Ok(())
}

const VARIANTS: [&str; 4] = [
    "no distillation",
    "logits only",
    "logits + spectral",
    "logits + MSE",
];

fn figures() -> Outcome<Vec<Figure>> {
    Ok(vec![
        learning_curves()?,
        named_curves()?,
        many_curves()?,
        verdicts()?,
        crowded_verdicts()?,
        intensity_over_depth()?,
        spectra()?,
        trajectory()?,
        pairs()?,
        large_pairs()?,
        chosen_pairs()?,
    ])
}
