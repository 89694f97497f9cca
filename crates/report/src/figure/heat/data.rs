//! A heat map as a table and in words.

use super::HeatMap;
use crate::csv::{Field, Writer};
use crate::figure::Axis;
use crate::format::significant;

impl HeatMap {
    pub(super) fn csv(&self) -> String {
        let name = |text: &str, fallback: &str| {
            let column = Axis::new(text).column();
            if column.is_empty() {
                fallback.to_owned()
            } else {
                column
            }
        };
        let (row, column) = (name(&self.rows.0, "row"), name(&self.columns.0, "column"));
        let value = name(&self.value.column(), "value");
        let mut columns = vec![row.as_str(), column.as_str(), value.as_str()];
        if !self.path.1.is_empty() {
            columns.push("path");
        }
        let mut out = Writer::new(&columns);
        for (r, values) in self.values.iter().enumerate() {
            for (c, value) in values.iter().enumerate() {
                let mut fields = vec![
                    Field::text(&self.rows.1[r]),
                    Field::text(&self.columns.1[c]),
                    Field::optional(*value),
                ];
                if !self.path.1.is_empty() {
                    let step = self.path.1.iter().position(|cell| *cell == (r, c));
                    fields.push(Field::optional(step.map(|step| (step + 1) as f64)));
                }
                out.row(fields);
            }
        }
        out.finish()
    }

    pub(super) fn description(&self) -> String {
        let cells = self.values.iter().enumerate().flat_map(|(r, row)| {
            let named = row.iter().enumerate();
            named.filter_map(move |(c, v)| v.map(|v| (v, r, c)))
        });
        let say = |found: Option<(f64, usize, usize)>| {
            found.map_or(String::new(), |(v, r, c)| {
                let (row, column) = (&self.rows.1[r], &self.columns.1[c]);
                format!("{} at {row}, {column}", significant(v, 4))
            })
        };
        let pair = |&(r, c): &(usize, usize)| format!("{}, {}", self.rows.1[r], self.columns.1[c]);
        let steps: Vec<String> = self.path.1.iter().map(pair).collect();
        let path = if steps.is_empty() {
            String::new()
        } else {
            format!(" {}: {}.", self.path.0, steps.join("; "))
        };
        format!(
            "Heat map of {}: {} rows ({}) by {} columns ({}). Smallest {}, largest {}.{path}",
            self.value.title(),
            self.rows.1.len(),
            self.rows.0,
            self.columns.1.len(),
            self.columns.0,
            say(cells.clone().min_by(|a, b| a.0.total_cmp(&b.0))),
            say(cells.max_by(|a, b| a.0.total_cmp(&b.0))),
        )
    }
}
