//! Line charts: learning curves, trajectories, intensity over depth.

use super::axis::Axis;
use super::legend::{Entry, Key, Legend, spread};
use super::plot::{self, LINE, NAME_SIZE, Plot, Title};
use super::points::Points;
use super::series::{self, Series};
use super::svg::{Anchor, Svg};
use super::{Figure, Head, WIDTH, head_methods, marks, palette, text};
use crate::error::Result;
use crate::format::significant;

/// Lines through points over a common pair of axes, with bands and reference
/// values. Few series with short names are labelled at the ends of their
/// lines; else a legend stands above the plot.
#[derive(Clone, Debug)]
pub struct LineChart {
    head: Head,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
    references: Vec<(String, f64)>,
}

/// Most series that get their names at the ends of their lines.
const DIRECT: usize = 4;
/// Widest name that stands beside a line.
const DIRECT_WIDTH: f64 = 120.0;
/// Height of the plot itself.
const HEIGHT: f64 = 250.0;

impl LineChart {
    /// A chart without series yet; `id` as in [`Figure::id`].
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            head: Head::new(id, title),
            x: Axis::new("x"),
            y: Axis::new("y"),
            series: Vec::new(),
            references: Vec::new(),
        }
    }

    head_methods!();

    /// Sets the horizontal axis.
    pub fn x(mut self, axis: Axis) -> Self {
        self.x = axis;
        self
    }

    /// Sets the vertical axis.
    pub fn y(mut self, axis: Axis) -> Self {
        self.y = axis;
        self
    }

    /// Adds a series.
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// Adds a named value to compare with, drawn as a dashed horizontal line.
    pub fn reference(mut self, label: impl Into<String>, value: f64) -> Self {
        self.references.push((label.into(), value));
        self
    }

    /// Draws the chart.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::Error::Figure) with the series and the value
    /// that cannot be drawn.
    pub fn draw(self) -> Result<Figure> {
        let head = &self.head;
        head.check()?;
        series::check_all(head, &self.series)?;
        let references = self.references.iter();
        head.finite("reference", references.clone().map(|r| r.1))?;
        let labels = self.series.iter().map(|s| s.label.as_str());
        head.distinct(labels.chain(references.clone().map(|r| r.0.as_str())))?;

        let across = self.series.iter().flat_map(|s| s.points.iter());
        let x_ends = self.x.limits(head, across.map(|p| p.0), true)?;
        let heights = self.series.iter().flat_map(Series::heights);
        let heights = heights.chain(references.map(|r| r.1));
        let y_ends = self.y.limits(head, heights, false)?;

        let direct = self.direct();
        let legend = Legend::new(if direct { Vec::new() } else { self.entries() });
        let y_ticks = self.y.ticks(y_ends, 8);
        let left = plot::left_margin(&y_ticks);
        let right = if direct { self.widest() + 34.0 } else { 14.0 };
        let (x_title, y_title) = (Title::new(&self.x.title()), Title::new(&self.y.title()));
        let top = legend.height() + y_title.height() + 10.0;
        let width = WIDTH - left - right;
        let inset = 8.0;
        let plot = Plot {
            left,
            top,
            width,
            height: HEIGHT,
            x: self.x.scale(x_ends, (left + inset, left + width - inset)),
            y: self.y.scale(y_ends, (top + HEIGHT, top)),
        };

        let mut svg = Svg::new();
        legend.draw(&mut svg, 0.0);
        y_title.at_left(&mut svg, legend.height());
        plot.y_grid(&mut svg, &y_ticks, true);
        let x_ticks = plot::x_ticks(&self.x, x_ends, width - 2.0 * inset);
        plot.x_axis(&mut svg, &x_ticks, true);
        let middle = plot.left + plot.width / 2.0;
        let below = plot.bottom() + 26.0;
        x_title.centred(&mut svg, middle, below);
        self.content(&mut svg, &plot);
        if direct {
            self.names(&mut svg, &plot);
        }

        let description = self.description(x_ends, y_ends);
        let csv = self.csv();
        self.head
            .finish(svg, below + x_title.height() + 6.0, description, csv)
    }

    fn content(&self, svg: &mut Svg, plot: &Plot) {
        let styled = || {
            let styled = self.series.iter().enumerate();
            styled.map(|(i, s)| (s, s.style_at(i)))
        };
        for (series, style) in styled() {
            marks::band(svg, plot, series, style);
        }
        for (_, value) in &self.references {
            let y = plot.y.at(*value);
            svg.line("mark", (plot.left, y), (plot.right(), y));
        }
        for (series, style) in styled() {
            marks::line(svg, plot, series, style, false);
        }
        for (series, style) in styled() {
            marks::markers(svg, plot, series, style);
        }
    }

    /// Whether the names fit beside the lines.
    fn direct(&self) -> bool {
        let count = self.series.len() + self.references.len();
        count <= DIRECT && self.widest() <= DIRECT_WIDTH
    }

    fn widest(&self) -> f64 {
        let series = self.series.iter().map(|s| &s.label);
        let names = series.chain(self.references.iter().map(|r| &r.0));
        names.map(|n| text::width(n, NAME_SIZE)).fold(0.0, f64::max)
    }

    /// Names at the right, each at the height of its line's end, moved apart.
    fn names(&self, svg: &mut Svg, plot: &Plot) {
        let mut names: Vec<((f64, f64), Option<usize>, &str)> = Vec::new();
        for (i, series) in self.series.iter().enumerate() {
            names.push((
                plot.at(series.last()),
                Some(series.style_at(i)),
                &series.label,
            ));
        }
        for (label, value) in &self.references {
            names.push(((plot.right(), plot.y.at(*value)), None, label));
        }
        names.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
        let wanted: Vec<f64> = names.iter().map(|n| n.0.1).collect();
        let places = spread(&wanted, LINE - 1.0, plot.top + 4.0, plot.bottom() - 6.0);
        for ((end, style, label), y) in names.into_iter().zip(places) {
            let x = plot.right() + 14.0;
            let from = end.0 + if style.is_some() { 7.0 } else { 0.0 };
            let leader = svg.points(&[(from, end.1), (x - 7.0, y)]);
            svg.leaf(
                "polyline",
                &[("class", "leader".into()), ("points", (&leader).into())],
            );
            if let Some(style) = style {
                palette::marker(svg, style, x, y);
            }
            let shift = if style.is_some() { 9.0 } else { -3.0 };
            svg.label(x + shift, y + 5.0, "name", Anchor::Start, label);
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let series = self.series.iter().enumerate().map(|(i, s)| Entry {
            key: Key::Line(s.style_at(i)),
            label: s.label.clone(),
        });
        let references = self.references.iter().map(|(label, _)| Entry {
            key: Key::Reference,
            label: label.clone(),
        });
        series.chain(references).collect()
    }

    fn csv(&self) -> String {
        let banded = self.series.iter().any(|s| s.band.is_some());
        let mut out = Points::new(&["series"], (&self.x, &self.y), banded);
        for series in &self.series {
            out.series(&[&series.label], series);
        }
        for (label, value) in &self.references {
            out.row(&[label], None, *value, None);
        }
        out.finish()
    }

    fn description(&self, x: (f64, f64), y: (f64, f64)) -> String {
        let n = |v| significant(v, 4);
        let mut words = format!(
            "Line chart. Horizontal: {}, {} to {}. Vertical: {}, {} to {}.",
            self.x.title(),
            n(x.0),
            n(x.1),
            self.y.title(),
            n(y.0),
            n(y.1)
        );
        for series in &self.series {
            words.push_str(&format!(" {}.", series::in_words(series)));
        }
        for (label, value) in &self.references {
            words.push_str(&format!(" Reference {label}: {}.", n(*value)));
        }
        words
    }
}
