//! The figures of an experiment.

use spectralkd_report::figure::{
    Axis, Figure, IntervalPlot, LineChart, Panel, Series, SmallMultiples,
};

use super::history::{RunHistory, series};
use super::spectra::{Intensity, Spectra};
use crate::analysis::distance_key;
use crate::config::Experiment;
use crate::error::Result;
use crate::results::{Row, Table};

/// Style of the teacher; variants take the styles from 0 in the experiment's order.
const TEACHER_STYLE: usize = 5;

/// The differences of all variants to the baseline, and of the candidate to its control.
///
/// # Errors
/// The data cannot be drawn.
pub fn differences(experiment: &Experiment, table: &Table) -> Result<Option<Figure>> {
    let Some(comparison) = &experiment.comparison else {
        return Ok(None);
    };
    let label = |name: &str| {
        experiment
            .variant(name)
            .map_or(name, |v| v.label())
            .to_owned()
    };
    let mut plot = IntervalPlot::new("differences", "Differences in top-1 accuracy, paired by seed")
        .x(Axis::new("difference in top-1").unit("percentage points"))
        .caption(format!(
            "Mean and {:.0} % t-interval of the paired differences over seeds; rings are single seeds. The effect \
             size of {} points was fixed before the runs: a claim is supported only where the whole interval lies \
             right of it, refuted only where it lies left of it.",
            100.0 * comparison.confidence, comparison.effect,
        ));
    let mut rows = 0;
    for (i, row) in table.rows.iter().enumerate() {
        if let Some(judged) = &row.difference {
            let text = format!("{} − {}", row.label, label(&comparison.baseline));
            plot = plot.row(text, judged.clone(), style(experiment, row, i));
            rows += 1;
        }
    }
    if let (Some(judged), Some(control)) = (&table.control, &comparison.control) {
        let text = format!("{} − {}", label(&comparison.candidate), label(control));
        plot = plot.row(text, judged.clone(), TEACHER_STYLE);
        rows += 1;
    }
    Ok(if rows == 0 { None } else { Some(plot.draw()?) })
}

fn style(experiment: &Experiment, row: &Row, fallback: usize) -> usize {
    experiment
        .variants
        .iter()
        .position(|v| v.name == row.name)
        .unwrap_or(fallback)
}

/// Every variant's series of a quantity, in its style.
fn by_variant(experiment: &Experiment, histories: &[RunHistory], quantity: &str) -> Vec<Series> {
    experiment
        .variants
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some(series(histories, &v.name, v.label(), quantity)?.style(i)))
        .collect()
}

/// Top-1 on the test images over epochs.
///
/// # Errors
/// The data cannot be drawn.
pub fn accuracy(
    experiment: &Experiment,
    histories: &[RunHistory],
    table: &Table,
) -> Result<Option<Figure>> {
    let all = by_variant(experiment, histories, "top1");
    if all.is_empty() {
        return Ok(None);
    }
    let mut chart = LineChart::new("accuracy", "Top-1 accuracy while training")
        .x(Axis::new("epoch").whole())
        .y(Axis::new("top-1 accuracy on test images").unit("%"))
        .caption(format!(
            "Mean over seeds on {} test images of each class (the table is on all test images); bands run from the \
             lowest to the highest seed.",
            experiment.data.curve_per_class.map_or_else(|| "all".to_owned(), |n| format!("the first {n}")),
        ));
    for s in all {
        chart = chart.series(s);
    }
    if let Some(floor) = &table.floor {
        chart = chart.reference("linear classifier", floor.top1.mean);
    }
    Ok(Some(chart.draw()?))
}

/// How far each distilled variant is ahead of the baseline, over epochs.
///
/// # Errors
/// The data cannot be drawn.
pub fn gain(experiment: &Experiment, histories: &[RunHistory]) -> Result<Option<Figure>> {
    let Some(comparison) = &experiment.comparison else {
        return Ok(None);
    };
    let mut chart = LineChart::new("gain", "Gain over the baseline while training")
        .x(Axis::new("epoch").whole())
        .y(Axis::new("difference in top-1").unit("percentage points"))
        .caption(
            "Mean over seeds of the difference to the baseline with the same seed after the same epoch; bands run \
             from the lowest to the highest seed. A gain that is early and fades is a faster start, not a better student.",
        )
        .reference("no difference", 0.0);
    let mut any = false;
    for (i, variant) in experiment.variants.iter().enumerate() {
        if variant.name == comparison.baseline {
            continue;
        }
        let differences = paired(histories, &variant.name, &comparison.baseline);
        if let Some(s) = series(&differences, &variant.name, variant.label(), "top1") {
            chart = chart.series(s.style(i));
            any = true;
        }
    }
    Ok(if any { Some(chart.draw()?) } else { None })
}

/// Histories whose `top1` is the difference to another variant's run with the same seed.
fn paired(histories: &[RunHistory], variant: &str, baseline: &str) -> Vec<RunHistory> {
    let mut out = Vec::new();
    for run in histories.iter().filter(|h| h.variant == variant) {
        let partner = histories
            .iter()
            .find(|h| h.variant == baseline && h.seed == run.seed);
        let Some(partner) = partner else { continue };
        let mut difference = run.clone();
        difference.epochs.truncate(partner.epochs.len());
        for (mine, theirs) in difference.epochs.iter_mut().zip(&partner.epochs) {
            let theirs = theirs.metrics.get("top1").copied();
            if let (Some(a), Some(b)) = (mine.metrics.get_mut("top1"), theirs) {
                *a -= b;
            }
        }
        out.push(difference);
    }
    out
}

/// The spectral distance of each pair of layers over epochs, one panel per pair.
///
/// # Errors
/// The data cannot be drawn.
pub fn trajectory(experiment: &Experiment, histories: &[RunHistory]) -> Result<Option<Figure>> {
    let mut figure = SmallMultiples::new("trajectory", "Distance from the teacher's layers while training")
        .x(Axis::new("epoch").whole())
        .y(Axis::new("spectral loss of the pair").logarithmic())
        .caption(
            "The paper's spectral loss between student block and teacher block (teacher pooled to the student's \
             channels) on the fixed batch of test images, whether or not the variant was trained on it. Mean over \
             seeds; bands run from the lowest to the highest seed.",
        );
    let mut any = false;
    for (s, t) in experiment.pairs() {
        let mut panel = Panel::new(format!("block {s} ← teacher {t}"));
        for series in by_variant(experiment, histories, &distance_key(s, t)) {
            panel = panel.series(series);
            any = true;
        }
        figure = figure.panel(panel);
    }
    Ok(if any { Some(figure.draw()?) } else { None })
}

/// Model-wise intensity over depth: teacher and students.
///
/// # Errors
/// The data cannot be drawn.
pub fn intensity(experiment: &Experiment, spectra: &Spectra) -> Result<Option<Figure>> {
    let Some(teacher) = &spectra.teacher else {
        return Ok(None);
    };
    let mut chart = LineChart::new("intensity", "Model-wise intensity over depth")
        .x(Axis::new("depth").unit("0: first block, 1: last block"))
        .y(Axis::new("normalised intensity").unit("white noise of the same width and RMS: 1"))
        .caption(
            "Mean amplitude of the Fourier transform over channels, over all bins, images and positions, divided by \
             the value for white noise of the same width and RMS (0.886 RMS/√C), so that teacher and students share \
             a scale. The value depends on the order of channels, which is arbitrary. Students: mean over seeds, \
             bands from the lowest to the highest seed.",
        )
        .series(Series::new("teacher", teacher.normalised_intensity()).style(TEACHER_STYLE));
    for (i, variant) in experiment.variants.iter().enumerate() {
        if let Some(Intensity { mean, band }) = spectra.intensity(&variant.name) {
            chart = chart.series(Series::new(variant.label(), mean).band(band).style(i));
        }
    }
    Ok(Some(chart.draw()?))
}

/// Layer-wise channel spectra, one panel per pair of layers.
///
/// # Errors
/// The data cannot be drawn.
pub fn layers(experiment: &Experiment, spectra: &Spectra) -> Result<Option<Figure>> {
    let Some(teacher) = &spectra.teacher else {
        return Ok(None);
    };
    let mut figure = SmallMultiples::new("layers", "Layer-wise channel spectra")
        .x(Axis::new("normalised frequency").unit("cycles per channel"))
        .y(Axis::new("mean amplitude").logarithmic())
        .caption(
            "Fourier transform over the channel axis divided by the number of channels, mean amplitude over images \
             and positions, bins up to half the channels. White noise of one RMS is lower by the root of the \
             ratio where there are more channels. Permuting channels leaves only bin 0 and the total energy as they are: shapes \
             away from bin 0 are no property of the features alone. Students: first seed.",
        );
    for (s, t) in experiment.pairs() {
        let mut panel = Panel::new(format!("block {s} ← teacher {t}"));
        if let Some(points) = half(teacher.amplitude(t)) {
            panel = panel.series(Series::new("teacher", points).style(TEACHER_STYLE));
        }
        for (i, variant) in experiment.variants.iter().enumerate() {
            let first = spectra.students(&variant.name).next();
            if let Some(points) = first.and_then(|m| half(m.amplitude(s))) {
                panel = panel.series(Series::new(variant.label(), points).style(i));
            }
        }
        figure = figure.panel(panel);
    }
    Ok(Some(figure.draw()?))
}

/// Bins 0..C/2 over frequency 0..0.5.
fn half(amplitude: Option<&[f64]>) -> Option<Vec<(f64, f64)>> {
    let amplitude = amplitude?;
    let channels = amplitude.len();
    let kept = amplitude.iter().take(channels / 2).enumerate();
    Some(
        kept.map(|(k, a)| (k as f64 / channels as f64, *a))
            .collect(),
    )
}
