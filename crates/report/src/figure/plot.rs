//! The frame of a plot: grid, axes, ticks and their labels.

use super::axis::Axis;
use super::scale::Scale;
use super::svg::{Anchor, Svg};
use super::ticks::Tick;
use super::{WIDTH, text};

/// Font size of tick labels, as in the style sheet.
pub(crate) const TICK_SIZE: f64 = 14.0;
/// Font size of axis titles, legends and direct labels.
pub(crate) const NAME_SIZE: f64 = 15.0;
/// Height of a line of text of either size.
pub(crate) const LINE: f64 = 20.0;

/// The rectangle in which data is drawn, and the way into it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plot {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
}

impl Plot {
    pub(crate) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// A data point on the page.
    pub(crate) fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.at(x), self.y.at(y))
    }

    /// Horizontal grid lines, with labels at their left when asked for.
    pub(crate) fn y_grid(&self, svg: &mut Svg, ticks: &[Tick], labels: bool) {
        for tick in ticks {
            let y = self.y.at(tick.value);
            svg.line("grid", (self.left, y), (self.right(), y));
            if labels {
                let class = "quiet ytick";
                svg.label(self.left - 7.0, y + 5.0, class, Anchor::End, &tick.label);
            }
        }
    }

    /// The bottom line, with ticks and, when asked for, their labels.
    pub(crate) fn x_axis(&self, svg: &mut Svg, ticks: &[Tick], labels: bool) {
        let y = self.bottom();
        svg.line("axis", (self.left, y), (self.right(), y));
        for tick in ticks {
            let x = self.x.at(tick.value);
            svg.line("axis", (x, y), (x, y + 5.0));
            if labels {
                svg.label(x, y + 19.0, "quiet xtick", Anchor::Middle, &tick.label);
            }
        }
    }
}

/// The title of an axis, in as many lines as it needs.
pub(crate) struct Title {
    lines: Vec<String>,
}

impl Title {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            lines: text::wrap(text, NAME_SIZE, WIDTH - 2.0 * Self::EDGE),
        }
    }

    const EDGE: f64 = 4.0;

    /// Height of all lines.
    pub(crate) fn height(&self) -> f64 {
        self.lines.len() as f64 * LINE
    }

    /// Draws the title of a vertical axis below `top`, from the left edge.
    pub(crate) fn at_left(&self, svg: &mut Svg, top: f64) {
        for (i, line) in self.lines.iter().enumerate() {
            let y = top + (i + 1) as f64 * LINE - 5.0;
            svg.label(Self::EDGE, y, "name", Anchor::Start, line);
        }
    }

    /// Draws the title of a horizontal axis below `top`, around `middle` as
    /// far as the edges allow.
    pub(crate) fn centred(&self, svg: &mut Svg, middle: f64, top: f64) {
        for (i, line) in self.lines.iter().enumerate() {
            let half = text::width(line, NAME_SIZE) / 2.0 + Self::EDGE;
            let y = top + (i + 1) as f64 * LINE - 5.0;
            let x = middle.clamp(half, WIDTH - half);
            svg.label(x, y, "name", Anchor::Middle, line);
        }
    }
}

/// Room that y tick labels need at the left of a plot.
pub(crate) fn left_margin(ticks: &[Tick]) -> f64 {
    let widest = ticks
        .iter()
        .map(|t| text::width(&t.label, TICK_SIZE))
        .fold(0.0, f64::max);
    (widest + 12.0).max(24.0)
}

/// As many x ticks as fit beside each other into `room`.
pub(crate) fn x_ticks(axis: &Axis, ends: (f64, f64), room: f64) -> Vec<Tick> {
    let mut ticks = Vec::new();
    for most in (1..=10).rev() {
        ticks = axis.ticks(ends, most);
        let widest = ticks
            .iter()
            .map(|t| text::width(&t.label, TICK_SIZE))
            .fold(0.0, f64::max);
        // The span between the first and the last tick is at most the room.
        let gaps = ticks.len().saturating_sub(1).max(1) as f64;
        let share = match (ticks.first(), ticks.last()) {
            (Some(a), Some(b)) if ticks.len() > 1 => {
                let scale = axis.scale(ends, (0.0, room));
                (scale.at(b.value) - scale.at(a.value)) / gaps
            }
            _ => room,
        };
        if share >= widest + 12.0 {
            break;
        }
    }
    ticks
}
