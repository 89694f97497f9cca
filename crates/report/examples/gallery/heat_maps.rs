//! Heat maps of pairs of layers.

use spectralkd_report::figure::{Axis, Figure, HeatMap};

use super::Outcome;

fn grid(id: &str, rows: usize, columns: usize) -> Outcome<Figure> {
    let value = |r: usize, c: usize| {
        let (x, y) = (r as f64 / rows as f64, c as f64 / columns as f64);
        (r != 2 || c != 3).then_some(0.05 + 2.0 * (x - y).powi(2) + 0.4 * x * y)
    };
    let names = |n: usize| (0..n).map(|l| l.to_string()).collect::<Vec<_>>();
    let values = (0..rows).map(|r| (0..columns).map(|c| value(r, c)).collect());
    Ok(HeatMap::new(id, "Spectral loss of every pair of layers")
        .rows("student layer", names(rows))
        .columns("teacher layer", names(columns))
        .values(Axis::new("spectral loss").logarithmic(), values.collect())
        .draw()?)
}

pub fn pairs() -> Outcome<Figure> {
    grid("pairs", 6, 10)
}

pub fn large_pairs() -> Outcome<Figure> {
    grid("pairs-large", 12, 24)
}

pub fn chosen_pairs() -> Outcome<Figure> {
    let value = |r: usize, c: usize| 1.5 + (2.0 * r as f64 - c as f64).abs();
    let names = |n: usize| (0..n).map(|l| l.to_string()).collect::<Vec<_>>();
    let row = |r: usize| (0..10).map(|c| Some(value(r, c))).collect();
    Ok(
        HeatMap::new("pairs-path", "Layer pairs by strategy: monotone")
            .caption("Chosen pairs: the rising sequence of least total distance.")
            .rows("student block", names(6))
            .columns("teacher block", names(10))
            .values(
                Axis::new("log-spectral distance").unit("dB"),
                (0..6).map(row).collect(),
            )
            .path("chosen pairs", vec![(0, 0), (1, 2), (4, 8), (5, 9)])
            .draw()?,
    )
}
