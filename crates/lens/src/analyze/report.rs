//! The report of an analysis.

use std::path::PathBuf;

use spectralkd_evaluation::spectra::{
    AnalysedLayer, AnalysedModel, depth_figure, intensity_figure, normalised_intensity_figure,
    radial_figure, spectra_figure,
};
use spectralkd_report::page::{Cell, Column, Report, Section, Table};

use super::{AnalysedSource, TABLES};
use crate::Options;
use crate::error::Result;
use crate::output_folder::OutputFolder;

/// Draws the figures and writes the page; its path.
pub(super) fn write(
    output: &OutputFolder,
    all: &[AnalysedSource],
    options: &Options,
    permutations: usize,
) -> Result<PathBuf> {
    let models: Vec<&AnalysedModel> = all.iter().map(|analysed| &analysed.model).collect();
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
    for analysed in all {
        let figures = vec![
            spectra_figure(&analysed.model)?,
            radial_figure(&analysed.model)?,
        ];
        output.figures(&figures)?;
        let files = TABLES.map(|name| match analysed.folder.as_str() {
            "" => (name.to_owned(), name.to_owned()),
            folder => (name.to_owned(), format!("{folder}/{name}")),
        });
        report = report.section(
            Section::new(format!("Layers of {}", analysed.model.name))
                .paragraph(LAYERS)
                .figures(figures)
                .table(table(&analysed.model))
                .files(files),
        );
    }
    let mut facts: Vec<(String, String)> = (all.iter())
        .map(|analysed| (analysed.model.name.clone(), analysed.origin.clone()))
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
