//! Small multiples: one panel for each layer or pair of layers.

use spectralkd_report::figure::{Axis, Figure, Panel, Series, SmallMultiples};

use super::{Outcome, VARIANTS};

pub fn spectra() -> Outcome<Figure> {
    let mut figure = SmallMultiples::new("spectra", "Channel spectra by layer")
        .caption("Mean amplitude over images and positions. The order of channels is arbitrary.")
        .x(Axis::new("normalised frequency").unit("cycles per channel"))
        .y(Axis::new("amplitude").unit("feature units").logarithmic());
    for layer in 0..12 {
        let mut panel = Panel::new(format!("layer {layer}"));
        for (s, name) in VARIANTS[1..].iter().enumerate() {
            let wave = |k: f64| {
                let dc = if k == 0.0 { 6.0 } else { 1.0 };
                dc * (0.02 + 0.004 * (k * 0.7 + s as f64 + f64::from(layer)).sin())
                    * (1.0 + 0.3 * f64::from(layer))
            };
            let points = (0..=24).map(|k| (f64::from(k) / 48.0, wave(f64::from(k))));
            panel = panel.series(Series::new(*name, points.collect()).style(s + 1));
        }
        figure = figure.panel(panel);
    }
    Ok(figure.draw()?)
}

pub fn trajectory() -> Outcome<Figure> {
    let mut figure = SmallMultiples::new("trajectory", "Distance to the teacher while training")
        .x(Axis::new("epoch").whole())
        .y(Axis::new("log-spectral distance").unit("dB").from_zero());
    for (layer, teacher) in [(0, 0), (1, 1), (3, 9), (4, 10), (5, 11)] {
        let mut panel = Panel::new(format!("block {layer} ← teacher {teacher}"));
        for (s, name) in VARIANTS.iter().enumerate() {
            let fall = |e: f64| 2.0 + (9.0 - 2.0 * s as f64) * (-e / 3.0).exp() + f64::from(layer);
            let points: Vec<_> = (1..=8)
                .map(|e| (f64::from(e), fall(f64::from(e))))
                .collect();
            panel = panel.series(Series::new(*name, points).style(s));
        }
        figure = figure.panel(panel);
    }
    Ok(figure.draw()?)
}
