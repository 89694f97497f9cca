//! The report: figures with their data, and one page that holds the whole run.
//!
//! Everything is made from what the run folder holds; nothing is computed that could not be made again.

mod figures;
mod history;
mod limits;
mod spectra;
mod text;

use std::path::Path;

use spectralkd_base::files::write_atomic;
use spectralkd_report::figure::Figure;
use spectralkd_report::page::{Cell, Column, Report, Section, Table as HtmlTable};
use spectralkd_report::statistics::Judgement;

use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::folder::RunFolder;
use crate::layer_pairs;
use crate::manifest::Manifest;
use crate::results::{RunResult, Table, results_csv};
use spectra::Spectra;

/// Unit of all accuracies and their differences.
const POINTS: &str = "percentage points";

/// Writes `results.csv`, `table.csv`, `learning.csv`, the figures and `report.html`; the verdicts in words.
///
/// # Errors
/// A file of the run folder cannot be read or written, or its data cannot be drawn.
pub fn write(
    experiment: &Experiment,
    folder: &RunFolder,
    results: &[RunResult],
    table: &Table,
) -> Result<Vec<String>> {
    let root = folder.root();
    let histories = history::read(experiment, folder)?;
    let spectra = Spectra::read(experiment, folder)?;
    let manifest = Manifest::read(&folder.manifest())?;
    save(root, "results.csv", &results_csv(results))?;
    save(root, "table.csv", &table.csv())?;
    save(root, "learning.csv", &history::csv(&histories))?;

    let outcome: Vec<Figure> = [figures::differences(experiment, table)?]
        .into_iter()
        .flatten()
        .collect();
    let learning: Vec<Figure> = [
        figures::accuracy(experiment, &histories, table)?,
        figures::gain(experiment, &histories)?,
    ]
    .into_iter()
    .flatten()
    .collect();
    let seen: Vec<Figure> = [
        figures::trajectory(experiment, &histories)?,
        figures::intensity(experiment, &spectra)?,
        figures::layers(experiment, &spectra)?,
        layer_pairs::figure(folder)?,
    ]
    .into_iter()
    .flatten()
    .collect();
    let plots = folder.sub("figures")?;
    for figure in outcome.iter().chain(&learning).chain(&seen) {
        save(&plots, &format!("{}.svg", figure.id), &figure.standalone())?;
        save(&plots, &format!("{}.csv", figure.id), &figure.csv)?;
    }

    let sentences = sentences(experiment, table);
    let mut report = Report::new(&experiment.title).subtitle(format!(
        "{} · profile {} · SpectralKD (arXiv 2412.19055)",
        experiment.name, experiment.profile
    ));
    if let Some(objection) = &table.objection {
        report = report.warning(objection.as_str());
    }
    if let Some(unfinished) = unfinished(experiment, results) {
        report = report.warning(unfinished);
    }
    if let (Some(claim), Some(judged)) = (&experiment.claim, &table.claim) {
        let text = sentences.first().cloned().unwrap_or_default();
        report = report.verdict(claim.as_str(), judged.verdict(), text);
    }
    if let (Some(judged), Some(text)) = (&table.control, sentences.get(1)) {
        let claim = "The gain is the Fourier transform's: the spectral loss beats plain feature MSE of the same weight.";
        report = report.verdict(claim, judged.verdict(), text.as_str());
    }
    if let Some(paper) = &experiment.paper {
        report = report.lead(format!("The paper: {paper}."));
    }

    let mut section =
        Section::new("Results after the last epoch").table(html_table(experiment, table));
    if !outcome.is_empty() {
        section = section.figures(outcome);
    }
    report = report.section(section);
    if !learning.is_empty() {
        report = report.section(
            Section::new("While training")
                .paragraph(text::LEARNING)
                .figures(learning),
        );
    }
    if !seen.is_empty() {
        report = report.section(
            Section::new("Spectra")
                .paragraph(text::SPECTRA)
                .figures(seen),
        );
    }
    report = report.section(
        Section::new("What this run can and cannot say").list(limits::limits(
            experiment,
            table,
            manifest.as_ref(),
        )),
    );
    report = report.section(configuration(folder, manifest.as_ref())?);
    write_atomic(&folder.report(), report.to_html()?.as_bytes())?;
    Ok(sentences)
}

fn save(folder: &Path, name: &str, text: &str) -> Result<()> {
    Ok(write_atomic(&folder.join(name), text.as_bytes())?)
}

/// The verdicts in words: the claim, then the control.
fn sentences(experiment: &Experiment, table: &Table) -> Vec<String> {
    let Some(comparison) = &experiment.comparison else {
        return Vec::new();
    };
    let label = |name: &str| {
        experiment
            .variant(name)
            .map_or(name, |v| v.label())
            .to_owned()
    };
    let say = |judged: &Judgement, other: &str| {
        judged.sentence(&label(&comparison.candidate), &label(other), POINTS)
    };
    let claim = table.claim.iter().map(|j| say(j, &comparison.baseline));
    let control = table
        .control
        .iter()
        .zip(&comparison.control)
        .map(|(j, name)| say(j, name));
    claim.chain(control).collect()
}

fn unfinished(experiment: &Experiment, results: &[RunResult]) -> Option<String> {
    let planned = experiment.variants.len() * experiment.seeds.len();
    let done = results
        .iter()
        .filter(|r| experiment.variant(&r.variant).is_some())
        .count();
    (done < planned).then(|| {
        format!("{done} of {planned} runs are finished; the same command goes on with the others.")
    })
}

fn html_table(experiment: &Experiment, table: &Table) -> HtmlTable {
    let confidence = experiment
        .comparison
        .as_ref()
        .map_or(0.95, |c| c.confidence);
    let baseline = experiment
        .comparison
        .as_ref()
        .and_then(|c| experiment.variant(&c.baseline))
        .map_or("baseline", |v| v.label());
    let mut html =
        HtmlTable::new("Top-1 accuracy on the test images after the last epoch, never the best")
            .columns([
                Column::text("variant"),
                Column::number("seeds"),
                Column::number("top-1, mean ± sd").unit("%"),
                Column::number("lowest to highest").unit("%"),
                Column::number(format!("difference to {baseline}")).unit("points"),
                Column::number(format!("{:.0} % interval", 100.0 * confidence)).unit("points"),
                Column::text("by the effect size"),
            ]);
    let averages = table.rows.iter().any(|row| row.average.is_some());
    if averages {
        html = html.columns([Column::number("of the average, mean ± sd").unit("%")]);
    }
    for row in table.rows.iter().chain(&table.floor) {
        let judged = row.difference.as_ref();
        let interval = judged.and_then(Judgement::interval);
        let range = format!("{:.2} to {:.2}", row.top1.min, row.top1.max);
        let mut cells = vec![
            Cell::text(&row.label),
            Cell::count(row.top1.n as u64),
            Cell::spread(&row.top1, 2),
            Cell::text(range),
            judged.map_or_else(Cell::none, |j| Cell::difference(j.estimate(), 2)),
            interval.map_or_else(Cell::none, |i| Cell::interval(i, 2)),
            judged.map_or_else(Cell::none, |j| Cell::verdict(j.verdict())),
        ];
        if averages {
            let average = row.average.as_ref();
            cells.push(average.map_or_else(Cell::none, |top1| Cell::spread(top1, 2)));
        }
        html = html.row(cells);
    }
    html
}

fn configuration(folder: &RunFolder, manifest: Option<&Manifest>) -> Result<Section> {
    let path = folder.config();
    let config = std::fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
    let mut section = Section::new("Configuration and manifest");
    if let Some(m) = manifest {
        section = section.facts(text::facts(m));
        let json = serde_json::to_string_pretty(m).map_err(|e| Error::RunFolder {
            path: folder.manifest(),
            message: e.to_string(),
        })?;
        section = section.details("manifest.json", json);
    }
    Ok(section.details("config.toml, as resolved", config))
}
