//! Legends above a plot, and names beside the ends of lines.

use super::WIDTH;
use super::palette;
use super::plot::{LINE, NAME_SIZE};
use super::svg::{Anchor, Svg, Value};
use super::text;

/// What a legend entry shows beside its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Key {
    /// Line and marker of a style.
    Line(usize),
    /// The dashed line of a reference value.
    Reference,
}

/// A legend entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) label: String,
}

/// A legend in rows from the left edge.
pub(crate) struct Legend {
    rows: Vec<Vec<(f64, Entry)>>,
}

const KEY: f64 = 34.0;
const GAP: f64 = 20.0;
const EDGE: f64 = 8.0;

impl Legend {
    /// Breaks the entries into rows; a name wider than the figure is cut.
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        let mut rows: Vec<Vec<(f64, Entry)>> = Vec::new();
        let mut x = f64::INFINITY;
        for mut entry in entries {
            entry.label = text::fit(&entry.label, NAME_SIZE, WIDTH - 2.0 * EDGE - KEY - 6.0);
            let need = KEY + 6.0 + text::width(&entry.label, NAME_SIZE);
            if x + need > WIDTH - EDGE {
                rows.push(Vec::new());
                x = EDGE;
            }
            if let Some(row) = rows.last_mut() {
                row.push((x, entry));
            }
            x += need + GAP;
        }
        Self { rows }
    }

    /// Height it takes.
    pub(crate) fn height(&self) -> f64 {
        if self.rows.is_empty() {
            0.0
        } else {
            self.rows.len() as f64 * (LINE + 2.0) + 6.0
        }
    }

    /// Draws it below `top`.
    pub(crate) fn draw(&self, svg: &mut Svg, top: f64) {
        for (i, row) in self.rows.iter().enumerate() {
            let y = top + i as f64 * (LINE + 2.0) + LINE / 2.0 + 2.0;
            for (x, entry) in row {
                key(svg, entry.key, *x, y);
                let x = x + KEY + 6.0;
                svg.label(x, y + 5.0, "name", Anchor::Start, &entry.label);
            }
        }
    }
}

fn key(svg: &mut Svg, key: Key, x: f64, y: f64) {
    match key {
        Key::Line(style) => {
            let points = svg.points(&[(x, y), (x + KEY, y)]);
            let class = format!("line key c{style}");
            let dash = palette::dash(style);
            let mut attributes = vec![
                ("class", Value::Text(&class)),
                ("points", Value::Text(&points)),
            ];
            if !dash.is_empty() {
                attributes.push(("stroke-dasharray", dash.into()));
            }
            svg.leaf("polyline", &attributes);
            palette::marker(svg, style, x + KEY / 2.0, y);
        }
        Key::Reference => svg.line("mark", (x, y), (x + KEY, y)),
    }
}

/// Moves label positions apart to at least `gap`, keeping their order and
/// staying within `low ..= high` where that is possible; `wanted` ascends.
pub(crate) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut placed: Vec<f64> = Vec::with_capacity(wanted.len());
    for &want in wanted {
        let least = placed.last().map_or(low, |last| last + gap);
        placed.push(want.max(least));
    }
    let mut most = high;
    for place in placed.iter_mut().rev() {
        *place = place.min(most);
        most = *place - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_move_apart() {
        assert_eq!(spread(&[10.0, 50.0], 18.0, 0.0, 100.0), [10.0, 50.0]);
        assert_eq!(
            spread(&[10.0, 11.0, 12.0], 18.0, 0.0, 100.0),
            [10.0, 28.0, 46.0]
        );
        assert_eq!(spread(&[98.0, 99.0], 18.0, 0.0, 100.0), [82.0, 100.0]);
    }

    #[test]
    fn rows_break_before_the_edge() {
        let entries = (0..4).map(|i| Entry {
            key: Key::Line(i),
            label: format!("a variant with number {i}"),
        });
        let legend = Legend::new(entries.collect());
        assert_eq!(legend.rows.len(), 2);
        for row in &legend.rows {
            let (x, last) = row.last().unwrap();
            assert!(x + KEY + 6.0 + text::width(&last.label, NAME_SIZE) <= WIDTH - EDGE);
        }
        assert_eq!(Legend::new(Vec::new()).height(), 0.0);
    }
}
