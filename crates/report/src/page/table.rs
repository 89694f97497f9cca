//! Tables with aligned numbers.

use super::html::{escape, inline};
use crate::error::{Error, Result};
use crate::format::{number, signed};
use crate::statistics::{Interval, Summary, Verdict};

/// A column: its name, its unit, and whether it holds numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    name: String,
    unit: Option<String>,
    numeric: bool,
}

impl Column {
    /// A column of text, aligned left.
    pub fn text(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            unit: None,
            numeric: false,
        }
    }

    /// A column of numbers, aligned right in figures of one width. Give all
    /// cells of a column the same number of decimals.
    pub fn number(name: impl Into<String>) -> Self {
        Self {
            numeric: true,
            ..Self::text(name)
        }
    }

    /// Names the unit, which stands below the column's name.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }
}

/// A cell, already in the form in which it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    text: String,
    class: &'static str,
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            class: "",
        }
    }

    /// A number.
    pub fn number(value: f64, decimals: usize) -> Self {
        Self::text(number(value, decimals))
    }

    /// A difference, with its sign.
    pub fn difference(value: f64, decimals: usize) -> Self {
        Self::text(signed(value, decimals))
    }

    /// A count or an index.
    pub fn count(value: u64) -> Self {
        Self::text(value.to_string())
    }

    /// Mean and standard deviation, "81.53 ± 0.21"; the mean alone for one
    /// value.
    pub fn spread(summary: &Summary, decimals: usize) -> Self {
        let mean = number(summary.mean, decimals);
        Self::text(match summary.sd {
            Some(sd) => format!("{mean} ± {}", number(sd, decimals)),
            None => mean,
        })
    }

    /// The ends of an interval of a difference, "−0.10 to +0.94".
    pub fn interval(interval: &Interval, decimals: usize) -> Self {
        let (low, high) = (
            signed(interval.low, decimals),
            signed(interval.high, decimals),
        );
        Self::text(format!("{low} to {high}"))
    }

    /// A verdict, with its mark.
    pub fn verdict(verdict: Verdict) -> Self {
        Self {
            text: format!("{} {verdict}", mark(verdict)),
            class: verdict.word(),
        }
    }

    /// Nothing, as a dash.
    pub fn none() -> Self {
        Self {
            text: "–".into(),
            class: "none",
        }
    }
}

/// The mark of a verdict, which tells it apart without its colour.
pub(super) fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Supported => "✓",
        Verdict::Refuted => "✗",
        Verdict::Undecided => "?",
    }
}

/// A table with a caption, which scrolls within itself where it is too wide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without columns yet.
    pub fn new(caption: impl Into<String>) -> Self {
        Self {
            caption: caption.into(),
            ..Self::default()
        }
    }

    /// Sets the columns; the first one names the rows.
    pub fn columns(mut self, columns: impl IntoIterator<Item = Column>) -> Self {
        self.columns = columns.into_iter().collect();
        self
    }

    /// Adds a row, a cell per column.
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.rows.push(cells.into_iter().collect());
        self
    }

    pub(super) fn html(&self) -> Result<String> {
        let mut out = format!(
            "<figure class=\"table\"><h3>{1}</h3><div class=\"scroll\" role=\"region\" \
             tabindex=\"0\" aria-label=\"{0}\"><table aria-label=\"{0}\"><thead><tr>",
            escape(&self.caption),
            inline(&self.caption)
        );
        for column in &self.columns {
            let class = if column.numeric { " class=\"n\"" } else { "" };
            let unit = match &column.unit {
                Some(unit) => format!(" <small>{}</small>", inline(unit)),
                None => String::new(),
            };
            out += &format!(
                "<th scope=\"col\"{class}>{}{unit}</th>",
                inline(&column.name)
            );
        }
        out += "</tr></thead><tbody>";
        for (index, cells) in self.rows.iter().enumerate() {
            out += &self.row_html(index, cells)?;
        }
        Ok(out + "</tbody></table></div></figure>")
    }

    fn row_html(&self, index: usize, cells: &[Cell]) -> Result<String> {
        if cells.len() != self.columns.len() {
            return Err(Error::Cells {
                table: self.caption.clone(),
                row: index,
                got: cells.len(),
                want: self.columns.len(),
            });
        }
        let mut out = String::from("<tr>");
        for (i, (cell, column)) in cells.iter().zip(&self.columns).enumerate() {
            let mut classes = vec![];
            if column.numeric {
                classes.push("n");
            }
            if !cell.class.is_empty() {
                classes.push(cell.class);
            }
            let class = match classes.is_empty() {
                true => String::new(),
                false => format!(" class=\"{}\"", classes.join(" ")),
            };
            let text = inline(&cell.text);
            out += &if i == 0 {
                format!("<th scope=\"row\"{class}>{text}</th>")
            } else {
                format!("<td{class}>{text}</td>")
            };
        }
        Ok(out + "</tr>")
    }
}
