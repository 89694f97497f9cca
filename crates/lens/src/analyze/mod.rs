//! The spectra of models on images, with the controls beside them.

mod report;

use std::path::PathBuf;

use spectralkd_base::progress::Progress;
use spectralkd_evaluation::spectra::{AnalysedModel, AnalysisOptions, ModelAnalysis};

use crate::error::{Error, Result};
use crate::output_folder::{OutputFolder, SourceRecord};
use crate::{FeatureReader, FeatureSource, Options};

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
struct AnalysedSource {
    model: AnalysedModel,
    origin: String,
    notes: Vec<String>,
    /// The folder of its tables, relative to the report; empty for the report's own.
    folder: String,
}

/// Analyses every source, one after the other and batch by batch, with `permutations` random orders of its channels
/// as the control (0 for none), and writes tables, figures, a report and a manifest. The tables of several sources
/// lie in folders named after them.
///
/// # Errors
/// A model or images cannot be loaded, two sources have one name, or the folder cannot be written.
pub fn analyze(
    sources: &[FeatureSource],
    options: &Options,
    permutations: usize,
    progress: &dyn Progress,
) -> Result<Analysed> {
    let output = OutputFolder::make(&options.out, options.fresh)?;
    let settings = AnalysisOptions {
        seed: options.seed,
        permutations,
        permutation_images: PERMUTATION_IMAGES,
    };
    let mut all: Vec<AnalysedSource> = Vec::new();
    for source in sources {
        let mut features = FeatureReader::open(source, options.images.as_ref(), progress)?;
        features.truncate(options.limited(features.images()));
        let label = features.label.clone();
        if all.iter().any(|analysed| analysed.model.name == label) {
            return Err(Error::SameLabel { label });
        }
        let folder = if sources.len() == 1 {
            String::new()
        } else {
            folder_name(&label, all.len())
        };
        let analysed = AnalysedSource {
            model: analyse(&mut features, options.batch, settings, progress)?,
            origin: features.origin(),
            notes: features.notes().to_vec(),
            folder,
        };
        write_tables(&output, &analysed)?;
        all.push(analysed);
    }
    let records: Vec<SourceRecord<'_>> = all.iter().map(AnalysedSource::record).collect();
    output.manifest(
        &options.provenance,
        &records,
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
fn analyse(
    features: &mut FeatureReader,
    batch: usize,
    settings: AnalysisOptions,
    progress: &dyn Progress,
) -> Result<AnalysedModel> {
    let (label, count) = (features.label.clone(), features.images());
    let mut analysis = ModelAnalysis::new(&label, settings);
    let mut stage = progress.stage(&label, count as u64, "images");
    for first in (0..count).step_by(batch.max(1)) {
        let some = batch.max(1).min(count - first);
        analysis.push(&features.batch(first, some)?)?;
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

/// The tables of a source.
const TABLES: [&str; 6] = [
    "spectra.csv",
    "intensity.csv",
    "quantiles.csv",
    "bands.csv",
    "radial.csv",
    "summary.csv",
];

fn write_tables(output: &OutputFolder, analysed: &AnalysedSource) -> Result<()> {
    let sub;
    let folder = if analysed.folder.is_empty() {
        output
    } else {
        sub = output.sub(&analysed.folder)?;
        &sub
    };
    let model = &analysed.model;
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

fn text(all: &[AnalysedSource]) -> String {
    let mut lines = Vec::new();
    for analysed in all {
        lines.push(format!(
            "{} ({} images)",
            analysed.model.name, analysed.model.images
        ));
        lines.push(format!(
            "{:>6}  {:>10}  {:>10}  {:>14}",
            "layer", "intensity", "normalised", "effective rank"
        ));
        for layer in &analysed.model.layers {
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

impl AnalysedSource {
    fn record(&self) -> SourceRecord<'_> {
        SourceRecord {
            label: &self.model.name,
            origin: &self.origin,
            images: self.model.images as usize,
            notes: &self.notes,
        }
    }
}
