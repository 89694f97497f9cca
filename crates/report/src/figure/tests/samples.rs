//! Figures of every kind, small and crowded.

use crate::error::Result;
use crate::figure::{
    Axis, Figure, HeatMap, IntervalPlot, LineChart, Panel, Series, SmallMultiples,
};
use crate::statistics::Judgement;

pub(super) fn curve(n: u32, a: f64) -> Vec<(f64, f64)> {
    let point = |i: u32| {
        (
            f64::from(i + 1),
            80.0 - a * 40.0 * (-f64::from(i) / 3.0).exp(),
        )
    };
    (0..n).map(point).collect()
}

pub(super) fn line_chart(names: &[&str], points: u32) -> LineChart {
    let chart = LineChart::new("lines", "Lines & <curves>")
        .caption("A caption.")
        .x(Axis::new("epoch").whole())
        .y(Axis::new("top-1 accuracy").unit("%"))
        .reference("linear classifier", 84.0);
    let series = names.iter().enumerate().map(|(i, name)| {
        let points = curve(points, 1.0 - 0.1 * i as f64);
        let band = points.iter().map(|p| (p.1 - 1.0, p.1 + 2.0)).collect();
        Series::new(*name, points).band(band)
    });
    series.fold(chart, LineChart::series)
}

pub(super) fn panels(count: usize) -> SmallMultiples {
    let figure = SmallMultiples::new("panels", "Panels")
        .x(Axis::new("frequency").unit(
            "cycles per channel, where the order of channels is arbitrary and one bin is 1/48",
        ))
        .y(
            Axis::new("mean amplitude over all images and positions of the batch")
                .unit("feature units, white noise of the same width and RMS: 1"),
        );
    (0..count).fold(figure, |figure, p| {
        let series = |name: &str, a: f64| {
            let point = |k: u32| {
                (
                    f64::from(k) / 48.0,
                    a + f64::from(k * 7 % 5) * 0.02 + p as f64 * 0.01,
                )
            };
            Series::new(name, (0..=24).map(point).collect())
        };
        let panel = Panel::new(format!("block {p} ← teacher {}", 2 * p));
        figure.panel(
            panel
                .series(series("teacher", 0.1))
                .series(series("student", 0.3)),
        )
    })
}

pub(super) fn interval_plot(rows: &[(&str, &[f64])]) -> IntervalPlot {
    let plot = IntervalPlot::new("intervals", "Differences")
        .x(Axis::new("difference in top-1").unit("percentage points"));
    let rows = rows.iter().enumerate();
    rows.fold(plot, |plot, (style, (name, differences))| {
        let judged = Judgement::of_differences(differences.to_vec(), 0.5, 0.95).unwrap();
        plot.row(*name, judged, style)
    })
}

pub(super) fn heat_map(
    rows: usize,
    columns: usize,
    value: impl Fn(usize, usize) -> Option<f64>,
) -> HeatMap {
    let names = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
    let values = (0..rows).map(|r| (0..columns).map(|c| value(r, c)).collect());
    HeatMap::new("heat", "Pairs")
        .rows("student layer", names(rows))
        .columns("teacher layer", names(columns))
        .values(Axis::new("spectral loss").logarithmic(), values.collect())
}

/// Every kind, small and crowded.
pub(super) fn samples() -> Vec<Figure> {
    let long = "a variant whose name is far too long for any legend that one could draw";
    let names = [
        "none",
        "logits only",
        "logits + spectral",
        "logits + MSE",
        long,
        "e",
        "f",
        "g",
    ];
    let rows: [(&str, &[f64]); 4] = [
        ("logits + spectral", &[0.2, 0.9, 0.6]),
        ("logits + MSE", &[0.8, 0.86, 0.95]),
        (long, &[-1.0, -1.1, -1.3]),
        ("one seed", &[0.3]),
    ];
    let value = |r: usize, c: usize| (r != c).then_some(0.01 + 0.3 * (r as f64 - c as f64).powi(2));
    let drawn = [
        line_chart(&names[..1], 1).draw(),
        line_chart(&names[..3], 8).draw(),
        line_chart(&names, 200).draw(),
        line_chart(&names[..3], 8)
            .y(Axis::new("loss").logarithmic())
            .draw(),
        panels(1).draw(),
        panels(4).draw(),
        panels(24).draw(),
        interval_plot(&rows).draw(),
        interval_plot(&rows[1..2]).draw(),
        interval_plot(&[("far away", &[40.0, 41.0, 43.0])]).draw(),
        heat_map(4, 6, value).draw(),
        heat_map(24, 48, value).draw(),
        heat_map(6, 8, value)
            .path("chosen pairs", vec![(0, 0), (1, 5), (4, 2), (4, 7), (5, 7)])
            .draw(),
        heat_map(2, 2, value)
            .rows(long, vec!["0".into(), "1".into()])
            .path(long, vec![(0, 1), (1, 0)])
            .draw(),
    ];
    drawn.into_iter().map(Result::unwrap).collect()
}
