//! The zero line and the lines of effect sizes, with their names.

use crate::figure::plot::{LINE, TICK_SIZE};
use crate::figure::svg::{Anchor, Svg};
use crate::figure::{WIDTH, rect, text};

/// A vertical line that the differences are compared with.
pub(super) struct ReferenceLine {
    class: &'static str,
    x: f64,
    label: String,
    width: f64,
}

impl ReferenceLine {
    pub(super) fn new(class: &'static str, x: f64, label: String) -> Self {
        let width = text::width(&label, TICK_SIZE);
        Self {
            class,
            x,
            label,
            width,
        }
    }

    /// Whether the names of two lines fit into one row, outside of both.
    pub(super) fn fit_beside(lines: &[Self]) -> bool {
        match lines {
            [zero, effect] => {
                let (left, right) = if zero.x < effect.x {
                    (zero, effect)
                } else {
                    (effect, zero)
                };
                left.x > left.width + 8.0 && right.x + right.width + 8.0 < WIDTH
            }
            _ => false,
        }
    }

    /// Draws the lines from their names down, then the names over them.
    pub(super) fn draw(svg: &mut Svg, lines: &[Self], beside: bool, bottom: f64) {
        let row = |i: usize| {
            if beside {
                LINE - 5.0
            } else {
                LINE * (i + 1) as f64 - 5.0
            }
        };
        for (i, line) in lines.iter().enumerate() {
            svg.line(line.class, (line.x, row(i) - 11.0), (line.x, bottom));
        }
        let leftmost = lines.iter().map(|l| l.x).fold(f64::INFINITY, f64::min);
        for (i, line) in lines.iter().enumerate() {
            let ends = if beside {
                line.x <= leftmost
            } else {
                line.x + line.width + 8.0 > WIDTH
            };
            let left = if ends {
                line.x - line.width - 6.0
            } else {
                line.x + 6.0
            };
            rect(
                svg,
                "ground",
                (left, row(i) - 13.0),
                (line.width, LINE - 2.0),
            );
            svg.label(left, row(i), "quiet", Anchor::Start, &line.label);
        }
    }
}
