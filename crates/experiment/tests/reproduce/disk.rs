//! Reading what a run leaves behind.

use std::path::Path;

use serde_json::Value;

/// A text file.
pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A JSON file.
pub fn json(path: &Path) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

/// The events of one kind (`step`, `epoch`, ...) in the log of a run's folder.
pub fn events(run: &Path, kind: &str) -> Vec<Value> {
    let log = text(&run.join("events.jsonl"));
    let events = log.lines().map(|line| serde_json::from_str(line).unwrap());
    events
        .filter(|event: &Value| event["event"] == kind)
        .collect()
}

/// The event of a run's first step.
pub fn first_step(run: &Path) -> Value {
    let first = events(run, "step").swap_remove(0);
    assert_eq!(first["step"], 1);
    first
}

/// A record without what clocks say.
pub fn timeless(mut record: Value) -> Value {
    for key in ["seconds", "samples_per_second"] {
        record.as_object_mut().unwrap().remove(key);
    }
    record
}

/// A table whose fields hold no commas.
pub struct Csv {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Csv {
    /// Reads a file.
    pub fn read(path: &Path) -> Self {
        let fields = |line: &str| line.split(',').map(str::to_owned).collect();
        let text = text(path);
        let mut lines = text.lines().map(fields);
        Self {
            header: lines.next().unwrap(),
            rows: lines.collect(),
        }
    }

    /// The names of the columns, by commas.
    pub fn header(&self) -> String {
        self.header.join(",")
    }

    /// One column.
    pub fn column(&self, name: &str) -> Vec<&str> {
        let found = self.header.iter().position(|column| column == name);
        let at = found.unwrap_or_else(|| panic!("no column {name}"));
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }

    /// One column of numbers; nothing where a field is empty.
    pub fn numbers(&self, name: &str) -> Vec<Option<f64>> {
        let number = |field: &str| (!field.is_empty()).then(|| field.parse().unwrap());
        self.column(name).into_iter().map(number).collect()
    }
}
