//! The points of series as CSV.

use super::axis::Axis;
use super::series::Series;
use crate::csv::{Field, Writer};

/// Rows of names, x, y and, where any series has a band, low and high.
pub(crate) struct Points {
    out: Writer,
    banded: bool,
}

impl Points {
    /// Starts with a header: the names' columns, then those of the axes.
    pub(crate) fn new(names: &[&str], (x, y): (&Axis, &Axis), banded: bool) -> Self {
        let (x, mut y) = (x.column(), y.column());
        if x == y {
            y.push_str("_y");
        }
        let mut columns = names.to_vec();
        columns.extend([x.as_str(), y.as_str()]);
        if banded {
            columns.extend(["low", "high"]);
        }
        Self {
            out: Writer::new(&columns),
            banded,
        }
    }

    /// Adds all points of a series.
    pub(crate) fn series(&mut self, names: &[&str], series: &Series) {
        for (i, &(x, y)) in series.points.iter().enumerate() {
            let band = series.band.as_ref().map(|band| band[i]);
            self.row(names, Some(x), y, band);
        }
    }

    /// Adds one row; x is missing for a value that holds everywhere.
    pub(crate) fn row(&mut self, names: &[&str], x: Option<f64>, y: f64, band: Option<(f64, f64)>) {
        let mut row: Vec<Field> = names.iter().map(|n| Field::text(n)).collect();
        row.extend([Field::optional(x), Field::number(y)]);
        if self.banded {
            let ends = [band.map(|b| b.0), band.map(|b| b.1)];
            row.extend(ends.map(Field::optional));
        }
        self.out.row(row);
    }

    /// The finished text.
    pub(crate) fn finish(self) -> String {
        self.out.finish()
    }
}
