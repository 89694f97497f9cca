//! All pairs of layers of two models on the same images.

use std::path::PathBuf;

use spectralkd_base::progress::Progress;
use spectralkd_evaluation::compare::{self, Comparison, Measure};
use spectralkd_evaluation::pairs::{Choice, Strategy, choose};
use spectralkd_report::page::{Cell, Column, Report, Section, Table};

use crate::error::Result;
use crate::output_folder::OutputFolder;
use crate::stored_features::StoredFeatures;
use crate::{FeatureSource, Options};

/// The most pairs in the report's table; `compare.csv` has all.
const SHOWN: usize = 12;

/// What came out.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The most similar pairs, for a terminal.
    pub table: String,
    /// The report.
    pub report: PathBuf,
}

/// Compares every layer of `a` (the student's side) with every layer of `b` (the teacher's side), and writes
/// `compare.csv`, `details.csv`, the pairs that every strategy would choose, heat maps, a report and a manifest.
/// The features of a model go through a file beside them, so that memory does not grow with the images; it is
/// removed at the end.
///
/// # Errors
/// A model or images cannot be loaded, the two have seen different numbers of images, or the folder cannot be
/// written.
pub fn compare(
    a: &FeatureSource,
    b: &FeatureSource,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Compared> {
    let output = OutputFolder::make(&options.out, options.fresh)?;
    let mut left = StoredFeatures::new(a, "a", options, &output, progress)?;
    let mut right = StoredFeatures::new(b, "b", options, &output, progress)?;
    if left.label == right.label {
        left.label += " (A)";
        right.label += " (B)";
    }
    let settings = compare::Options::default();
    let found = compare::compare(&mut left, &mut right, &settings, progress)?;

    output.save("compare.csv", &found.csv())?;
    output.save("details.csv", &found.details_csv())?;
    let axes = (
        format!("layer of {}", left.label),
        format!("layer of {}", right.label),
    );
    let axes = (axes.0.as_str(), axes.1.as_str());
    let measured = found.figures(axes)?;
    let choices = choices(&found)?;
    let mut chosen = Vec::new();
    for choice in &choices {
        output.save(
            &format!("pairs-{}.csv", choice.strategy.name()),
            &choice.csv(),
        )?;
        chosen.extend(choice.figure(axes)?);
    }
    output.figures(&measured)?;
    output.figures(&chosen)?;
    let records = [left.record(), right.record()];
    output.manifest(
        &options.provenance,
        &records,
        options.images_in_words(),
        serde_json::json!({ "images": found.images }),
    )?;

    let report = Report::new(format!(
        "{} and {}, layer by layer",
        left.label, right.label
    ))
    .subtitle(format!(
        "{} images · SpectralKD (arXiv 2412.19055)",
        found.images
    ))
    .section(
        Section::new("All pairs of layers")
            .paragraph(WHAT)
            .table(nearest_pairs(&found))
            .figures(measured)
            .files([
                ("all pairs", "compare.csv"),
                (
                    "with shapes, the Parseval split and the debiased CKA",
                    "details.csv",
                ),
            ]),
    )
    .section(
        Section::new("Pairs that would be chosen")
            .paragraph(CHOSEN)
            .list(choices.iter().map(in_words))
            .figures(chosen),
    )
    .section(Section::new("What was looked at").facts([
        (left.label.clone(), left.origin.clone()),
        (right.label.clone(), right.origin.clone()),
        ("images".to_owned(), options.images_in_words()),
        ("command".to_owned(), options.provenance.command.clone()),
    ]));
    let report = output.report(&report)?;
    Ok(Compared {
        table: text(&found),
        report,
    })
}

const WHAT: &str = "Every layer of one model against every layer of the other, on the same images. The wider map is \
    averaged over channels to the other's width, the larger one cut to the other's size in the spectral domain; \
    details.csv says where. Losses and MSE compare features image by image and see the order of channels; CKA sees \
    neither order nor rotation, and is biased upwards where images are few; the spectrum distance compares mean \
    channel spectra alone. docs/SPECTRAL.md has the formulas.";

const CHOSEN: &str = "What each strategy of an experiment's `pairs` would take from these measures, as many pairs as \
    the shallower model has layers, at most eight.";

/// What every strategy chooses, where it can.
fn choices(found: &Comparison) -> Result<Vec<Choice>> {
    let scores = found.scores();
    let count = found.a.layers.len().min(found.b.layers.len()).min(8);
    let mut choices = Vec::new();
    for strategy in Strategy::ALL {
        match choose(strategy, count, &scores) {
            Ok(choice) => choices.push(choice),
            // CKA needs images that differ; the other measures are there all the same.
            Err(error) => tracing::warn!("{error}"),
        }
    }
    Ok(choices)
}

fn in_words(choice: &Choice) -> String {
    let pairs: Vec<String> = (choice.pairs.iter())
        .map(|(s, t)| format!("{s}-{t}"))
        .collect();
    format!(
        "{} ({}): {}",
        choice.strategy.name(),
        choice.strategy.words(),
        pairs.join(", ")
    )
}

/// The pairs with the smallest spectrum distance.
fn nearest_pairs(found: &Comparison) -> Table {
    let mut rows: Vec<_> = found.rows.iter().collect();
    rows.sort_by(|x, y| x.spectrum_distance.total_cmp(&y.spectrum_distance));
    let mut table = Table::new("The pairs with the most similar mean channel spectra").columns([
        Column::number("layer of A"),
        Column::number("layer of B"),
        Column::number("spectral loss"),
        Column::number("MSE"),
        Column::number("linear CKA"),
        Column::number("spectrum distance").unit("dB"),
    ]);
    for row in rows.into_iter().take(SHOWN) {
        table = table.row([
            Cell::count(row.a_layer as u64),
            Cell::count(row.b_layer as u64),
            Cell::number(row.spectral_loss, 4),
            Cell::number(row.mse, 4),
            row.cka.map_or_else(Cell::none, |cka| Cell::number(cka, 3)),
            Cell::number(row.spectrum_distance, 2),
        ]);
    }
    table
}

/// For each of A's layers the layer of B that each measure prefers.
fn text(found: &Comparison) -> String {
    let mut lines = vec![format!(
        "{:>5}  {:>14}  {:>14}  {:>14}",
        "A", "most CKA", "least loss", "least distance"
    )];
    let best = |measure: Measure, row: &[Option<f64>]| {
        let sign = if measure == Measure::Cka { -1.0 } else { 1.0 };
        let values = row.iter().enumerate();
        values
            .filter_map(|(j, value)| Some((j, (*value)?)))
            .min_by(|x, y| (sign * x.1).total_cmp(&(sign * y.1)))
            .map_or_else(String::new, |(j, value)| {
                format!("{} ({value:.3})", found.b.layers[j].index)
            })
    };
    let measures = [
        Measure::Cka,
        Measure::SpectralLoss,
        Measure::SpectrumDistance,
    ];
    let matrices = measures.map(|measure| (measure, found.matrix(measure)));
    for (i, layer) in found.a.layers.iter().enumerate() {
        let cells: Vec<String> = matrices
            .iter()
            .map(|(measure, matrix)| format!("{:>14}", best(*measure, &matrix[i])))
            .collect();
        lines.push(format!("{:>5}  {}", layer.index, cells.join("  ")));
    }
    lines.join("\n")
}
