//! Small multiples: the same small plot for every layer or model, all panels
//! on one scale.

mod panel;

pub use panel::Panel;

use super::axis::Axis;
use super::legend::{Entry, Key, Legend};
use super::palette::STYLES;
use super::plot::{self, LINE, Plot, TICK_SIZE, Title};
use super::points::Points;
use super::series::{self, Series};
use super::svg::{Anchor, Svg};
use super::{Figure, Head, WIDTH, head_methods, text};
use crate::error::{FigureProblem, Result};

/// Panels on common scales.
#[derive(Clone, Debug)]
pub struct SmallMultiples {
    head: Head,
    x: Axis,
    y: Axis,
    panels: Vec<Panel>,
    columns: Option<usize>,
}

const GAP: f64 = 14.0;

/// A usual room for tick labels at the left, before they are known.
const LEFT: f64 = 48.0;

fn panel_width(left: f64, columns: usize) -> f64 {
    (WIDTH - left - 10.0 - GAP * (columns - 1) as f64) / columns as f64
}

/// Width of a panel's title, which is set in bold.
fn title_width(title: &str) -> f64 {
    text::width(title, TICK_SIZE * 1.08)
}

impl SmallMultiples {
    /// A figure without panels yet; `id` as in [`Figure::id`].
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            head: Head::new(id, title),
            x: Axis::new("x"),
            y: Axis::new("y"),
            panels: Vec::new(),
            columns: None,
        }
    }

    head_methods!();

    /// Sets the horizontal axis of all panels.
    pub fn x(mut self, axis: Axis) -> Self {
        self.x = axis;
        self
    }

    /// Sets the vertical axis of all panels.
    pub fn y(mut self, axis: Axis) -> Self {
        self.y = axis;
        self
    }

    /// Adds a panel.
    pub fn panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// Sets the number of columns, from 1 to 6; without it the number of
    /// panels decides.
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = Some(columns.clamp(1, 6));
        self
    }

    /// Draws the panels.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::Error::Figure) with the panel, the series and
    /// the value that cannot be drawn.
    pub fn draw(self) -> Result<Figure> {
        let head = &self.head;
        let styles = self.check()?;
        let all = || self.panels.iter().flat_map(|p| p.series.iter());
        let across = all().flat_map(|s| s.points.iter().map(|p| p.0));
        let x_ends = self.x.limits(head, across, true)?;
        let heights = all().flat_map(Series::heights);
        let y_ends = self.y.limits(head, heights, false)?;

        let legend = Legend::new(self.entries(&styles));
        let columns = self.count_columns();
        let rows = self.panels.len().div_ceil(columns);
        let height = [200.0, 150.0, 110.0, 92.0][(columns - 1).min(3)];
        let y_ticks = self.y.ticks(y_ends, if height > 140.0 { 5 } else { 3 });
        let left = plot::left_margin(&y_ticks);
        let width = panel_width(left, columns);
        let (x_title, y_title) = (Title::new(&self.x.title()), Title::new(&self.y.title()));
        let top = legend.height() + y_title.height();
        let inset = 5.0;
        let x_ticks = plot::x_ticks(&self.x, x_ends, width - 2.0 * inset);

        let mut svg = Svg::new();
        legend.draw(&mut svg, 0.0);
        y_title.at_left(&mut svg, legend.height());
        let pitch = height + LINE + 10.0;
        for (i, panel) in self.panels.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let corner = left + column as f64 * (width + GAP);
            let panel_top = top + row as f64 * pitch + LINE + 4.0;
            let plot = Plot {
                left: corner,
                top: panel_top,
                width,
                height,
                x: self
                    .x
                    .scale(x_ends, (corner + inset, corner + width - inset)),
                y: self.y.scale(y_ends, (panel_top + height, panel_top)),
            };
            let title = text::fit(&panel.title, TICK_SIZE * 1.08, width);
            svg.label(corner, panel_top - 5.0, "panel", Anchor::Start, &title);
            plot.y_grid(&mut svg, &y_ticks, column == 0);
            // Labels below the last panel of every column.
            plot.x_axis(&mut svg, &x_ticks, i + columns >= self.panels.len());
            panel.draw(&mut svg, &plot, &styles);
        }
        let below = top + rows as f64 * pitch + 18.0;
        x_title.centred(&mut svg, left + (WIDTH - left - 10.0) / 2.0, below);
        let (description, csv) = (self.description(), self.csv());
        let height = below + x_title.height() + 6.0;
        self.head.finish(svg, height, description, csv)
    }

    /// Checks everything; returns the names of series with their styles.
    fn check(&self) -> Result<Vec<(String, usize)>> {
        let head = &self.head;
        head.check()?;
        if self.panels.is_empty() {
            return head.fail(FigureProblem::Nothing("panels"));
        }
        head.distinct(self.panels.iter().map(|p| p.title.as_str()))?;
        let mut styles: Vec<(String, usize)> = Vec::new();
        for panel in &self.panels {
            if panel.series.is_empty() {
                return head.fail(FigureProblem::Empty(panel.title.clone()));
            }
            series::check_all(head, &panel.series)?;
            for series in &panel.series {
                if !styles.iter().any(|s| s.0 == series.label) {
                    styles.push((series.label.clone(), series.style_at(styles.len())));
                }
            }
        }
        if styles.len() > STYLES {
            return head.fail(FigureProblem::TooMany {
                got: styles.len(),
                most: STYLES,
            });
        }
        Ok(styles)
    }

    /// The number of columns: as asked for, or by the number of panels, fewer
    /// where their titles would not fit.
    fn count_columns(&self) -> usize {
        if let Some(columns) = self.columns {
            return columns.min(self.panels.len());
        }
        let titles = self.panels.iter().map(|p| title_width(&p.title));
        let widest = titles.fold(0.0, f64::max);
        let mut columns = match self.panels.len() {
            1 => 1,
            2 | 4 => 2,
            3 | 5..=12 => 3,
            _ => 4,
        };
        while columns > 1 && panel_width(LEFT, columns) < widest {
            columns -= 1;
        }
        columns
    }

    /// A legend, unless one name is all there is or the panels' titles say it.
    fn entries(&self, styles: &[(String, usize)]) -> Vec<Entry> {
        let titled = |p: &Panel| p.series.len() == 1 && p.series[0].label == p.title;
        if styles.len() < 2 || self.panels.iter().all(titled) {
            return Vec::new();
        }
        let entry = |(label, style): &(String, usize)| Entry {
            key: Key::Line(*style),
            label: label.clone(),
        };
        styles.iter().map(entry).collect()
    }

    fn csv(&self) -> String {
        let mut all = self.panels.iter().flat_map(|p| p.series.iter());
        let banded = all.any(|s| s.band.is_some());
        let mut out = Points::new(&["panel", "series"], (&self.x, &self.y), banded);
        for panel in &self.panels {
            for series in &panel.series {
                out.series(&[&panel.title, &series.label], series);
            }
        }
        out.finish()
    }

    fn description(&self) -> String {
        let mut words = format!(
            "{} panels on one scale, {} over {}.",
            self.panels.len(),
            self.y.title(),
            self.x.title()
        );
        for panel in &self.panels {
            let lines: Vec<String> = panel.series.iter().map(series::in_words).collect();
            words.push_str(&format!(" {}: {}.", panel.title, lines.join("; ")));
        }
        words
    }
}
