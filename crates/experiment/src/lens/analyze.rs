//! The spectra of models on images, with the controls beside them.

use std::path::PathBuf;

use spectralkd_base::progress::Progress;
use spectralkd_evaluation::report::{Cell, Column, Report, Section, Table};
use spectralkd_evaluation::spectra::{
    AnalysedLayer, AnalysedModel, AnalysisOptions, ModelAnalysis, depth_figure, intensity_figure,
    normalised_intensity_figure, radial_figure, spectra_figure,
};

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
            return Err(Error::Missing(format!(
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
        report: write_report(&output, &all, options, permutations)?,
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

fn write_report(
    output: &Output,
    all: &[Seen],
    options: &Options,
    permutations: usize,
) -> Result<PathBuf> {
    let models: Vec<&AnalysedModel> = all.iter().map(|seen| &seen.model).collect();
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let images = models.iter().map(|model| model.images).max().unwrap_or(0);
    let together = vec![
        normalised_intensity_figure(&models)?,
        intensity_figure(&models)?,
        depth_figure(&models)?,
    ];
    output.figures(&together)?;
    let mut report = Report::new(format!("Spectra of {}", names.join(", "))).subtitle(format!(
        "{images} images · SpectralKD (arXiv 2412.19055), section 3"
    ));
    if permutations == 0 {
        report = report.warning(
            "No random channel orders were drawn: these spectra have no control (--permutations 100 draws them).",
        );
    }
    report = report.section(
        Section::new("Over depth")
            .paragraph(DEPTH)
            .figures(together),
    );
    for seen in all {
        let figures = vec![spectra_figure(&seen.model)?, radial_figure(&seen.model)?];
        output.figures(&figures)?;
        let files = TABLES.map(|name| match seen.folder.as_str() {
            "" => (name.to_owned(), name.to_owned()),
            folder => (name.to_owned(), format!("{folder}/{name}")),
        });
        report = report.section(
            Section::new(format!("Layers of {}", seen.model.name))
                .paragraph(LAYERS)
                .figures(figures)
                .table(table(&seen.model))
                .files(files),
        );
    }
    let mut facts: Vec<(String, String)> = (all.iter())
        .map(|seen| (seen.model.name.clone(), seen.origin.clone()))
        .collect();
    facts.push(("images".into(), options.images_in_words()));
    facts.push((
        "random channel orders".into(),
        format!("{permutations}, seed {}", options.seed),
    ));
    facts.push(("command".into(), options.provenance.command.clone()));
    report = report
        .section(Section::new("What this can and cannot say").list(LIMITS))
        .section(Section::new("What was looked at").facts(facts));
    output.report(&report)
}

const DEPTH: &str = "Intensity is the mean amplitude of the Fourier transform along channels. Plain, it is set by \
    width and scale; divided by that of white noise of the same width and RMS it compares between models. The shaded \
    bands are the 5 to 95 % range over random orders of the channels.";

const LAYERS: &str = "Each panel shows a layer's mean channel spectrum, and behind it the band of random channel \
    orders on the same images. Inside the band the spectrum says nothing that a shuffled network would not say. The \
    spatial spectra do not depend on the order of channels.";

const LIMITS: [&str; 4] = [
    "The order of channels in a network is arbitrary, and the channel spectrum depends on it: a shape counts only \
     where it leaves the band of random orders.",
    "A high plain intensity is no sign of importance: it grows with the scale of the residual stream, which grows over \
     depth, and falls with the root of the width.",
    "Images of one class, or few of them, make a spectrum of that class: use images that cover what the claim is about.",
    "A student that shows its teacher's shape has not therefore learned it from the teacher's features: compare with a \
     student that was distilled from logits alone.",
];

fn table(model: &AnalysedModel) -> Table {
    let mut table = Table::new("One row per layer").columns([
        Column::number("layer"),
        Column::number("RMS"),
        Column::number("intensity"),
        Column::number("normalised"),
        Column::text("random orders, 5 to 95 %"),
        Column::number("spectral entropy").unit("of ln C"),
        Column::number("feature entropy").unit("nats"),
        Column::number("effective rank").unit("of C"),
    ]);
    for layer in &model.layers {
        let optional = |value: Option<f64>, decimals| {
            value.map_or_else(Cell::none, |value| Cell::number(value, decimals))
        };
        table = table.row([
            Cell::count(layer.layer as u64),
            Cell::number(layer.rms, 3),
            Cell::number(layer.intensity, 4),
            optional(layer.normalised_intensity, 3),
            Cell::text(band(layer)),
            optional(layer.spectral_entropy, 3),
            Cell::number(layer.feature_entropy.nats, 2),
            optional(layer.effective_rank, 1),
        ]);
    }
    table
}

/// The intensity on the control's images, and where random orders have it.
fn band(layer: &AnalysedLayer) -> String {
    layer.permuted.as_ref().map_or_else(String::new, |p| {
        format!(
            "{:.4} against {:.4} to {:.4}",
            p.intensity, p.intensity_low, p.intensity_high
        )
    })
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
