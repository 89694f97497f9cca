//! Heat maps: a value for every pair of layers.

mod cividis;
mod data;
mod paint;
mod path;

use paint::{cell, scale_bar, values_fit, written};
use path::Cells;

use super::axis::Axis;
use super::plot::{LINE, NAME_SIZE, TICK_SIZE, Title};
use super::svg::{Anchor, Svg};
use super::{Figure, Head, WIDTH, head_methods, text};
use crate::error::{FigureProblem, Result};

/// A grid of cells coloured by value, with the values written in where they
/// all fit, a scale above it, and chosen cells joined by a path.
///
/// The colours are cividis (Nuñez, Anderton, Renslow, 2018): its lightness
/// rises evenly, so that it reads the same in grey and for the colour-blind.
#[derive(Clone, Debug)]
pub struct HeatMap {
    head: Head,
    rows: (String, Vec<String>),
    columns: (String, Vec<String>),
    value: Axis,
    values: Vec<Vec<Option<f64>>>,
    path: (String, Vec<(usize, usize)>),
}

/// Height of the scale with its labels.
const SCALE: f64 = 42.0;

impl HeatMap {
    /// A heat map without values yet; `id` as in [`Figure::id`].
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            head: Head::new(id, title),
            rows: (String::new(), Vec::new()),
            columns: (String::new(), Vec::new()),
            value: Axis::new("value"),
            values: Vec::new(),
            path: (String::new(), Vec::new()),
        }
    }

    head_methods!();

    /// Names the vertical axis and its rows, from the top.
    pub fn rows(mut self, axis: impl Into<String>, names: Vec<String>) -> Self {
        self.rows = (axis.into(), names);
        self
    }

    /// Names the horizontal axis and its columns.
    pub fn columns(mut self, axis: impl Into<String>, names: Vec<String>) -> Self {
        self.columns = (axis.into(), names);
        self
    }

    /// Sets the values, `values[row][column]`, none where there is nothing,
    /// and their axis, which may be logarithmic.
    pub fn values(mut self, axis: Axis, values: Vec<Vec<Option<f64>>>) -> Self {
        self.value = axis;
        self.values = values;
        self
    }

    /// Frames cells (row, column) and joins each with the next by a line, under
    /// a name that stands above the map.
    pub fn path(mut self, name: impl Into<String>, cells: Vec<(usize, usize)>) -> Self {
        self.path = (name.into(), cells);
        self
    }

    /// Draws the map.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::Error::Figure) with the row and the value that
    /// cannot be drawn, or the dimension that does not fit.
    pub fn draw(self) -> Result<Figure> {
        self.check()?;
        let head = &self.head;
        let all = self.values.iter().flatten().flatten().copied();
        let ends = self.value.limits(head, all, true)?;
        let shade = self.value.scale(ends, (0.0, 1.0));

        let (count_down, count_across) = (self.rows.1.len(), self.columns.1.len());
        let names = self.rows.1.iter().map(|r| text::width(r, TICK_SIZE));
        let left = (names.fold(0.0, f64::max) + 12.0).clamp(30.0, WIDTH / 3.0);
        let width = (WIDTH - left - 10.0) / count_across as f64;
        let height = width.clamp(14.0, 30.0);
        let value_title = Title::new(&self.value.title());
        let (row_title, column_title) = (Title::new(&self.rows.0), Title::new(&self.columns.0));
        let bar = value_title.height() + 2.0;
        let (path_name, path) = (&self.path.0, &self.path.1);
        let beside = text::width(&self.rows.0, NAME_SIZE);
        let key = if path.is_empty() || (path::fits(path_name, beside) && beside > 0.0) {
            0.0
        } else {
            LINE + 2.0
        };
        let top = bar + SCALE + key + row_title.height() + 6.0;
        let bottom = top + height * count_down as f64;

        let mut svg = Svg::new();
        value_title.at_left(&mut svg, 0.0);
        scale_bar(&mut svg, &self.value, ends, left, bar);
        row_title.at_left(&mut svg, bar + SCALE + key);
        if !path.is_empty() {
            path::key(&mut svg, path_name, bar + SCALE);
        }
        let cells = Cells {
            corner: (left, top),
            size: (width, height),
        };
        let each = |draw: &mut dyn FnMut((f64, f64), Option<f64>)| {
            for (r, row) in self.values.iter().enumerate() {
                for (c, value) in row.iter().enumerate() {
                    draw(cells.corner((r, c)), *value);
                }
            }
        };
        each(&mut |corner, value| cell(&mut svg, corner, cells.size, value, &shade));
        cells.join(&mut svg, path);
        if values_fit(&self.values, cells.size) {
            each(&mut |corner, value| {
                if let Some(value) = value {
                    written(&mut svg, corner, cells.size, value, &shade);
                }
            });
        }
        cells.frame(&mut svg, path);
        let every = (18.0 / height).ceil() as usize;
        for (r, name) in self.rows.1.iter().enumerate().step_by(every) {
            let y = top + (r as f64 + 0.5) * height + 5.0;
            let name = text::fit(name, TICK_SIZE, left - 10.0);
            svg.label(left - 7.0, y, "quiet ytick", Anchor::End, &name);
        }
        let names = self.columns.1.iter().map(|c| text::width(c, TICK_SIZE));
        let widest = names.fold(0.0, f64::max).min(WIDTH / 4.0);
        let every = ((widest + 8.0) / width).ceil().max(1.0) as usize;
        for (c, name) in self.columns.1.iter().enumerate().step_by(every) {
            let x = left + (c as f64 + 0.5) * width;
            let name = text::fit(name, TICK_SIZE, width * every as f64);
            svg.label(x, bottom + 18.0, "quiet xtick", Anchor::Middle, &name);
        }
        let below = bottom + 24.0;
        column_title.centred(&mut svg, left + (WIDTH - left - 10.0) / 2.0, below);
        let (description, csv) = (self.description(), self.csv());
        let height = below + column_title.height() + 6.0;
        self.head.finish(svg, height, description, csv)
    }

    fn check(&self) -> Result<()> {
        let head = &self.head;
        head.check()?;
        if self.rows.1.is_empty() || self.columns.1.is_empty() {
            return head.fail(FigureProblem::Nothing("cells"));
        }
        head.distinct(self.rows.1.iter().map(String::as_str))?;
        head.distinct(self.columns.1.iter().map(String::as_str))?;
        let length = |name: &str, got: usize, want: usize| {
            if got == want {
                return Ok(());
            }
            head.fail(FigureProblem::Length {
                name: name.to_owned(),
                got,
                want,
            })
        };
        length("the rows of values", self.values.len(), self.rows.1.len())?;
        for (name, row) in self.rows.1.iter().zip(&self.values) {
            length(name, row.len(), self.columns.1.len())?;
            head.finite(name, row.iter().flatten().copied())?;
        }
        if self.values.iter().flatten().all(Option::is_none) {
            return head.fail(FigureProblem::Empty("the grid".into()));
        }
        for &(r, c) in &self.path.1 {
            if r >= self.rows.1.len() || c >= self.columns.1.len() {
                return head.fail(FigureProblem::Length {
                    name: format!("the chosen cell ({r}, {c})"),
                    got: r.max(c) + 1,
                    want: self.rows.1.len().min(self.columns.1.len()),
                });
            }
        }
        Ok(())
    }
}
