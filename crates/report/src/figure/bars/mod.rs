//! Grouped bars: intensity over depth, one group of bars per layer.

mod group;

pub use group::Group;

use super::axis::Axis;
use super::hatch;
use super::legend::{Entry, Key, Legend};
use super::palette::STYLES;
use super::plot::{self, Plot, TICK_SIZE, Title};
use super::svg::{Anchor, Svg};
use super::{Figure, Head, WIDTH, head_methods, marks, text};
use crate::csv::{Field, Writer};
use crate::error::{FigureProblem, Result};
use crate::format::significant;

/// Grouped vertical bars from zero.
#[derive(Clone, Debug)]
pub struct BarChart {
    head: Head,
    x: String,
    y: Axis,
    categories: Vec<String>,
    groups: Vec<Group>,
}

/// Height of the plot itself.
const HEIGHT: f64 = 230.0;

impl BarChart {
    /// A chart without groups yet; `id` as in [`Figure::id`].
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            head: Head::new(id, title),
            x: String::new(),
            y: Axis::new("y"),
            categories: Vec::new(),
            groups: Vec::new(),
        }
    }

    head_methods!();

    /// Names the horizontal axis and its categories.
    pub fn categories(mut self, axis: impl Into<String>, names: Vec<String>) -> Self {
        self.x = axis.into();
        self.categories = names;
        self
    }

    /// Sets the vertical axis, which always holds zero and is linear.
    pub fn y(mut self, axis: Axis) -> Self {
        self.y = axis;
        self
    }

    /// Adds a group.
    pub fn group(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// Draws the chart.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::Error::Figure) with the group and the value
    /// that cannot be drawn.
    pub fn draw(self) -> Result<Figure> {
        let head = &self.head;
        self.check()?;
        let heights = self.groups.iter().flat_map(|g| {
            let ends = g.spread.iter().flatten().flatten();
            let ends = ends.flat_map(|&(low, high)| [low, high]);
            g.values.iter().flatten().copied().chain(ends)
        });
        let y_ends = self.y.limits(head, heights.chain([0.0]), false)?;

        let legend = Legend::new(if self.groups.len() > 1 {
            self.entries()
        } else {
            Vec::new()
        });
        let y_ticks = self.y.ticks(y_ends, 6);
        let (x_title, y_title) = (Title::new(&self.x), Title::new(&self.y.title()));
        let left = plot::left_margin(&y_ticks);
        let top = legend.height() + y_title.height() + 10.0;
        let width = WIDTH - left - 10.0;
        let count = self.categories.len() as f64;
        let plot = Plot {
            left,
            top,
            width,
            height: HEIGHT,
            x: Axis::new("").scale((-0.5, count - 0.5), (left, left + width)),
            y: self.y.scale(y_ends, (top + HEIGHT, top)),
        };

        let mut svg = Svg::new();
        let styles = self.groups.iter().enumerate().map(|(i, g)| g.style_at(i));
        hatch::define(&mut svg, &head.id, &styles.collect::<Vec<_>>());
        legend.draw(&mut svg, &head.id, 0.0);
        y_title.at_left(&mut svg, legend.height());
        plot.y_grid(&mut svg, &y_ticks, true);
        self.bars(&mut svg, &plot);
        svg.line(
            "axis",
            (plot.left, plot.y.at(0.0)),
            (plot.right(), plot.y.at(0.0)),
        );
        self.names(&mut svg, &plot);
        let below = plot.bottom() + 24.0;
        x_title.centred(&mut svg, left + width / 2.0, below);

        let (description, csv) = (self.description(), self.csv());
        let height = below + x_title.height() + 6.0;
        self.head.finish(svg, height, description, csv)
    }

    fn check(&self) -> Result<()> {
        let head = &self.head;
        head.check()?;
        if self.categories.is_empty() {
            return head.fail(FigureProblem::Nothing("categories"));
        }
        if self.groups.is_empty() {
            return head.fail(FigureProblem::Nothing("groups of bars"));
        }
        if self.groups.len() > STYLES {
            return head.fail(FigureProblem::TooMany {
                got: self.groups.len(),
                most: STYLES,
            });
        }
        head.distinct(self.categories.iter().map(String::as_str))?;
        head.distinct(self.groups.iter().map(|g| g.label.as_str()))?;
        let count = self.categories.len();
        self.groups.iter().try_for_each(|g| g.check(head, count))
    }

    fn bars(&self, svg: &mut Svg, plot: &Plot) {
        let step = plot.width / self.categories.len() as f64;
        let each = step * 0.82 / self.groups.len() as f64;
        for category in 0..self.categories.len() {
            for (i, group) in self.groups.iter().enumerate() {
                let Some(value) = group.values[category] else {
                    continue;
                };
                let x = plot.left + category as f64 * step + step * 0.09 + i as f64 * each;
                let y = (plot.y.at(value), plot.y.at(0.0));
                let gap = (each * 0.06).min(1.0);
                let across = (x + gap, x + each - gap);
                marks::bar(svg, &self.head.id, group.style_at(i), across, y);
                if let Some((low, high)) = group.interval(category) {
                    let (low, high) = (plot.y.at(low), plot.y.at(high));
                    marks::whisker(svg, x + each / 2.0, low, high, (each * 0.25).min(4.0));
                }
            }
        }
    }

    /// As many category names as fit, from the first on at equal distances.
    fn names(&self, svg: &mut Svg, plot: &Plot) {
        let step = plot.width / self.categories.len() as f64;
        let widths = self.categories.iter().map(|c| text::width(c, TICK_SIZE));
        let widest = widths.fold(0.0, f64::max).min(plot.width / 3.0);
        let every = ((widest + 10.0) / step).ceil().max(1.0) as usize;
        for (i, name) in self.categories.iter().enumerate().step_by(every) {
            let name = text::fit(name, TICK_SIZE, step * every as f64);
            let y = plot.bottom() + 19.0;
            svg.label(plot.x.at(i as f64), y, "quiet xtick", Anchor::Middle, &name);
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let groups = self.groups.iter().enumerate();
        let entry = |(i, group): (usize, &Group)| Entry {
            key: Key::Bar(group.style_at(i)),
            label: group.label.clone(),
        };
        groups.map(entry).collect()
    }

    fn csv(&self) -> String {
        let banded = self.groups.iter().any(|g| g.spread.is_some());
        let x = Axis::new(&self.x).column();
        let (x, y) = (
            if x.is_empty() { "category".into() } else { x },
            self.y.column(),
        );
        let mut columns = vec!["group", &x, &y];
        if banded {
            columns.extend(["low", "high"]);
        }
        let mut out = Writer::new(&columns);
        for group in &self.groups {
            for (i, value) in group.values.iter().enumerate() {
                let mut row = vec![
                    Field::text(&group.label),
                    Field::text(&self.categories[i]),
                    Field::optional(*value),
                ];
                if banded {
                    row.push(Field::optional(group.interval(i).map(|s| s.0)));
                    row.push(Field::optional(group.interval(i).map(|s| s.1)));
                }
                out.row(row);
            }
        }
        out.finish()
    }

    fn description(&self) -> String {
        let mut words = format!(
            "Bar chart of {} over {} ({} values).",
            self.y.title(),
            self.x,
            self.categories.len()
        );
        for group in &self.groups {
            let named = group.values.iter().zip(&self.categories);
            let values = named.filter_map(|(v, c)| v.map(|v| (v, c)));
            let largest = values.clone().max_by(|a, b| a.0.total_cmp(&b.0));
            let smallest = values.min_by(|a, b| a.0.total_cmp(&b.0));
            if let (Some(largest), Some(smallest)) = (largest, smallest) {
                words.push_str(&format!(
                    " {}: largest {} at {}, smallest {} at {}.",
                    group.label,
                    significant(largest.0, 4),
                    largest.1,
                    significant(smallest.0, 4),
                    smallest.1
                ));
            }
        }
        words
    }
}
