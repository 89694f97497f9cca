//! Cells of a heat map, and the scale of their colours.

use super::cividis::cividis;
use crate::figure::axis::Axis;
use crate::figure::plot::{self, TICK_SIZE};
use crate::figure::scale::Scale;
use crate::figure::svg::{Anchor, Svg, Value};
use crate::figure::{WIDTH, rect, text};
use crate::format::significant;

/// Font size of values in cells, as in the style sheet.
const VALUE_SIZE: f64 = 12.0;

/// The colours of the values.
pub(super) fn scale_bar(svg: &mut Svg, axis: &Axis, ends: (f64, f64), left: f64, top: f64) {
    const STEPS: usize = 48;
    let (right, height) = (WIDTH - 10.0, 12.0);
    let step = (right - left) / STEPS as f64;
    for i in 0..STEPS {
        let colour = cividis(i as f64 / (STEPS - 1) as f64);
        let x = left + i as f64 * step;
        // A little overlap hides the seams.
        filled(
            svg,
            (x, top),
            (step + if i + 1 < STEPS { 0.6 } else { 0.0 }, height),
            colour,
        );
    }
    let scale = axis.scale(ends, (left, right));
    for tick in plot::x_ticks(axis, ends, right - left) {
        let x = scale.at(tick.value);
        svg.line("axis", (x, top + height), (x, top + height + 4.0));
        let half = text::width(&tick.label, TICK_SIZE) / 2.0;
        let x = x.min(WIDTH - half - 1.0);
        svg.label(x, top + height + 17.0, "quiet", Anchor::Middle, &tick.label);
    }
}

/// Whether the values fit into cells of this size, all of them: a map with
/// only some would draw the eye to those.
pub(super) fn values_fit(values: &[Vec<Option<f64>>], size: (f64, f64)) -> bool {
    let fits = |v: f64| text::width(&significant(v, 2), VALUE_SIZE) + 4.0 <= size.0;
    size.1 >= 18.0 && values.iter().flatten().flatten().all(|v| fits(*v))
}

/// A cell in the colour of its value.
pub(super) fn cell(
    svg: &mut Svg,
    corner: (f64, f64),
    size: (f64, f64),
    value: Option<f64>,
    shade: &Scale,
) {
    let gap = if size.0 > 12.0 { 0.6 } else { 0.0 };
    let inner = (size.0 - gap, size.1 - gap);
    match value {
        None => rect(svg, "missing", corner, inner),
        Some(value) => filled(svg, corner, inner, cividis(shade.at(value))),
    }
}

/// The value of a cell, with a rim in the colour of the cell that keeps it
/// readable on a line.
pub(super) fn written(
    svg: &mut Svg,
    corner: (f64, f64),
    size: (f64, f64),
    value: f64,
    shade: &Scale,
) {
    let colour = cividis(shade.at(value));
    let [r, g, b] = colour.map(f64::from);
    let dark = 0.299 * r + 0.587 * g + 0.114 * b < 128.0;
    let class = if dark {
        "cell on-dark"
    } else {
        "cell on-light"
    };
    svg.text_element(
        "text",
        &[
            ("class", class.into()),
            ("x", (corner.0 + size.0 / 2.0).into()),
            ("y", (corner.1 + size.1 / 2.0 + 4.5).into()),
            ("text-anchor", "middle".into()),
            ("stroke", Value::Text(&hex(colour))),
        ],
        &significant(value, 2),
    );
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A rectangle of one colour.
pub(super) fn filled(svg: &mut Svg, corner: (f64, f64), size: (f64, f64), colour: [u8; 3]) {
    let fill = hex(colour);
    svg.leaf(
        "rect",
        &[
            ("x", corner.0.into()),
            ("y", corner.1.into()),
            ("width", size.0.into()),
            ("height", size.1.into()),
            ("fill", Value::Text(&fill)),
        ],
    );
}
