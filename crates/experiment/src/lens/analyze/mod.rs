//! The spectra of models on images, with the controls beside them.

mod report;

use std::path::PathBuf;

use spectralkd_base::progress::Progress;
use spectralkd_evaluation::spectra::{AnalysedModel, AnalysisOptions, ModelAnalysis};

use super::Options;
use super::output::{Looked, Output};
use crate::error::{Error, Result};
use crate::inference::{Opened, Subject};

/// Images on which the channel orders are compared, at most.
const PERMUTATION_IMAGES: usize = 64;

/// What came out.
#[derive(Clone, Debug)]
pub struct Analysed {
    /// A line per layer, for a terminal.
    pub table: String,
    /// The report.
    pub report: PathBuf,
}

/// One model or file after its last image.
struct Seen {
    model: AnalysedModel,
    origin: String,
    notes: Vec<String>,
    /// The folder of its tables, relative to the report; empty for the report's own.
    folder: String,
}

/// Analyses every subject, one after the other and batch by batch, with `permutations` random orders of its channels
/// as the control (0 for none), and writes tables, figures, a report and a manifest. The tables of several subjects
/// lie in folders named after them.
///
/// # Errors
/// A model or images cannot be loaded, two subjects have one name, or the folder cannot be written.
pub fn analyze(
    subjects: &[Subject],
    options: &Options,
    permutations: usize,
    progress: &dyn Progress,
) -> Result<Analysed> {
    let output = Output::make(&options.out, options.fresh)?;
    let settings = AnalysisOptions {
        seed: options.seed,
        permutations,
        permutation_images: PERMUTATION_IMAGES,
    };
    let mut all: Vec<Seen> = Vec::new();
    for subject in subjects {
        let mut opened = subject.open(options.images.as_ref(), progress)?;
        opened.truncate(options.limited(opened.images()));
        let label = opened.label.clone();
        if all.iter().any(|seen| seen.model.name == label) {
            return Err(Error::Unfit(format!(
                "two subjects are called {label}: give them names with label="
            )));
        }
        let folder = if subjects.len() == 1 {
            String::new()
        } else {
            folder_name(&label, all.len())
        };
        let seen = Seen {
            model: look(&mut opened, options.batch, settings, progress)?,
            origin: opened.origin(),
            notes: opened.notes().to_vec(),
            folder,
        };
        write_tables(&output, &seen)?;
        all.push(seen);
    }
    let looked: Vec<Looked<'_>> = all.iter().map(Seen::looked).collect();
    output.manifest(
        &options.provenance,
        &looked,
        options.images_in_words(),
        serde_json::json!({
            "seed": settings.seed,
            "permutations": settings.permutations,
            "permutation_images": settings.permutation_images,
        }),
    )?;
    Ok(Analysed {
        table: text(&all),
        report: report::write(&output, &all, options, permutations)?,
    })
}

/// Streams all images through the analysis.
fn look(
    opened: &mut Opened,
    batch: usize,
    settings: AnalysisOptions,
    progress: &dyn Progress,
) -> Result<AnalysedModel> {
    let (label, count) = (opened.label.clone(), opened.images());
    let mut analysis = ModelAnalysis::new(&label, settings);
    let mut stage = progress.stage(&label, count as u64, "images");
    for first in (0..count).step_by(batch.max(1)) {
        let some = batch.max(1).min(count - first);
        analysis.push(&opened.batch(first, some)?)?;
        stage.advance(some as u64);
    }
    Ok(analysis.finish()?)
}

/// A label as the name of a folder; what could lead elsewhere becomes `_`.
fn folder_name(label: &str, number: usize) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name: String = label
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    format!("{}-{name}", number + 1)
}

/// The tables of a subject.
const TABLES: [&str; 6] = [
    "spectra.csv",
    "intensity.csv",
    "quantiles.csv",
    "bands.csv",
    "radial.csv",
    "summary.csv",
];

fn write_tables(output: &Output, seen: &Seen) -> Result<()> {
    let sub;
    let folder = if seen.folder.is_empty() {
        output
    } else {
        sub = output.sub(&seen.folder)?;
        &sub
    };
    let model = &seen.model;
    let texts = [
        model.spectra_csv(),
        model.intensity_csv(),
        model.quantiles_csv(),
        model.bands_csv(),
        model.radial_csv(),
        model.summary_csv(),
    ];
    TABLES
        .iter()
        .zip(texts)
        .try_for_each(|(name, text)| folder.save(name, &text))
}

fn text(all: &[Seen]) -> String {
    let mut lines = Vec::new();
    for seen in all {
        lines.push(format!(
            "{} ({} images)",
            seen.model.name, seen.model.images
        ));
        lines.push(format!(
            "{:>6}  {:>10}  {:>10}  {:>14}",
            "layer", "intensity", "normalised", "effective rank"
        ));
        for layer in &seen.model.layers {
            let optional = |value: Option<f64>, decimals: usize| {
                value.map_or_else(String::new, |value| format!("{value:.decimals$}"))
            };
            lines.push(format!(
                "{:>6}  {:>10.4}  {:>10}  {:>14}",
                layer.layer,
                layer.intensity,
                optional(layer.normalised_intensity, 3),
                optional(layer.effective_rank, 1)
            ));
        }
    }
    lines.join("\n")
}

impl Seen {
    fn looked(&self) -> Looked<'_> {
        Looked {
            label: &self.model.name,
            origin: &self.origin,
            images: self.model.images as usize,
            notes: &self.notes,
        }
    }
}
