//! What stands for data: lines, bands, markers.

use super::palette;
use super::plot::Plot;
use super::series::Series;
use super::svg::{Svg, Value};

/// The band around a series, drawn below all lines.
pub(crate) fn band(svg: &mut Svg, plot: &Plot, series: &Series, style: usize) {
    let Some(band) = &series.band else { return };
    let xs = || series.points.iter().map(|p| p.0);
    let upper = xs().zip(band).map(|(x, b)| plot.at((x, b.1)));
    let lower = xs().zip(band).map(|(x, b)| plot.at((x, b.0)));
    let lower: Vec<_> = lower.collect();
    let outline: Vec<_> = upper.chain(lower.into_iter().rev()).collect();
    let points = svg.points(&outline);
    let class = format!("band f{style}");
    svg.leaf(
        "polygon",
        &[
            ("class", Value::Text(&class)),
            ("points", Value::Text(&points)),
        ],
    );
}

/// The line through a series.
pub(crate) fn line(svg: &mut Svg, plot: &Plot, series: &Series, style: usize, fine: bool) {
    if series.points.len() < 2 {
        return;
    }
    let places: Vec<_> = series.points.iter().map(|&p| plot.at(p)).collect();
    let points = svg.points(&places);
    let class = format!("line c{style}{}", if fine { " fine" } else { "" });
    let dash = palette::dash(style);
    let mut attributes = vec![
        ("class", Value::Text(&class)),
        ("points", Value::Text(&points)),
    ];
    if !dash.is_empty() {
        attributes.push(("stroke-dasharray", dash.into()));
    }
    svg.leaf("polyline", &attributes);
}

/// Markers on a series: on every point of a short one, on about eight points of
/// a long one, at other places for every style.
pub(crate) fn markers(svg: &mut Svg, plot: &Plot, series: &Series, style: usize) {
    let count = series.points.len();
    let (every, first) = if count <= 20 {
        (1, 0)
    } else {
        let every = count.div_ceil(8);
        (every, (style * every / palette::STYLES).min(count - 1))
    };
    for &point in series.points.iter().skip(first).step_by(every) {
        let (x, y) = plot.at(point);
        palette::marker(svg, style, x, y);
    }
}
