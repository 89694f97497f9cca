//! Line charts: curves of training, and models over their depth.

use spectralkd_report::figure::{Axis, Figure, LineChart, Series};

use super::{Outcome, VARIANTS};

pub fn learning_curves() -> Outcome<Figure> {
    let ends = [80.5, 81.5, 82.0, 81.7];
    let starts = [41.7, 48.4, 55.5, 54.8];
    let mut chart = LineChart::new("learning-curves", "Top-1 accuracy while training")
        .caption(
            "Mean of three seeds on 10,000 test images; bands from the worst to the best seed.",
        )
        .x(Axis::new("epoch").whole())
        .y(Axis::new("top-1 accuracy").unit("%"))
        .reference("linear classifier", 84.0);
    for (i, name) in VARIANTS.iter().enumerate() {
        let curve = |e: f64| ends[i] - (ends[i] - starts[i]) * (-(e - 1.0) / 1.7).exp();
        let points: Vec<_> = (1..=8)
            .map(|e| (f64::from(e), curve(f64::from(e))))
            .collect();
        let band = points.iter().map(|p| (p.1 - 1.2, p.1 + 0.9)).collect();
        chart = chart.series(Series::new(*name, points).band(band));
    }
    Ok(chart.draw()?)
}

pub fn named_curves() -> Outcome<Figure> {
    let curve = |top: f64, rate: f64| {
        let at = |e: u32| (f64::from(e), top - 40.0 * (-f64::from(e) * rate).exp());
        (1..=30).map(at).collect()
    };
    Ok(
        LineChart::new("named-curves", "Few series carry their names")
            .caption("Names stand at the ends of the lines and are moved apart where they meet.")
            .x(Axis::new("epoch").whole())
            .y(Axis::new("top-1 accuracy").unit("%"))
            .reference("teacher", 90.2)
            .series(Series::new("logits only", curve(81.5, 0.2)))
            .series(Series::new("logits + spectral", curve(82.0, 0.35)))
            .series(Series::new("logits + MSE", curve(81.7, 0.33)))
            .draw()?,
    )
}

pub fn many_curves() -> Outcome<Figure> {
    let mut chart = LineChart::new("loss-terms", "Loss by layer")
        .caption("A logarithmic axis and more series than can be named at their ends.")
        .x(Axis::new("training step"))
        .y(Axis::new("spectral loss")
            .unit("squared feature units")
            .logarithmic());
    for i in 0..8 {
        let fall = |s: f64| 2.0 * f64::from(i + 1) * (-s / 250.0).exp() + 0.004 * f64::from(i + 1);
        let points = (0..120).map(|s| (f64::from(s) * 10.0, fall(f64::from(s) * 10.0)));
        chart = chart.series(Series::new(format!("layer {i}"), points.collect()));
    }
    Ok(chart.draw()?)
}

/// A U over depth, as the paper's Figure 3 has it.
fn depth(layers: usize, scale: f64) -> Vec<f64> {
    let at = |l: usize| l as f64 / (layers - 1) as f64;
    let u = |x: f64| 0.02 + 0.11 * (x - 0.45).powi(4) * 10.0 + 0.004 * (9.0 * x).sin();
    (0..layers).map(|l| scale * u(at(l))).collect()
}

pub fn intensity_over_depth() -> Outcome<Figure> {
    let points = |values: &[f64]| {
        let last = (values.len() - 1) as f64;
        let point = |(l, v): (usize, &f64)| (l as f64 / last, v * 12.0);
        values.iter().enumerate().map(point).collect::<Vec<_>>()
    };
    let mut chart = LineChart::new("intensity-depth", "Intensity of models of different depth")
        .caption("White noise has the value 1. The order of channels is arbitrary.")
        .x(Axis::new("depth").unit("0: first block, 1: last block"))
        .y(Axis::new("normalised intensity").unit("white noise of the same width and RMS: 1"))
        .series(Series::new("teacher", points(&depth(24, 1.0))).style(5));
    for (i, name) in VARIANTS.iter().enumerate() {
        let points = points(&depth(6, 0.7 + 0.1 * i as f64));
        let band = points.iter().map(|p| (p.1 * 0.95, p.1 * 1.05)).collect();
        chart = chart.series(Series::new(*name, points).band(band).style(i));
    }
    Ok(chart.draw()?)
}
