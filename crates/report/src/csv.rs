//! Comma-separated values (RFC 4180), written and read the one way this
//! project does: a header line, `\n` line ends, numbers that read back exactly.
//!
//! ```
//! use spectralkd_report::csv::{Field, Reader, Writer};
//!
//! let mut out = Writer::new(&["layer", "intensity"]);
//! out.row([Field::whole(0), Field::number(0.25)]);
//! let text = out.finish();
//! assert_eq!(text, "layer,intensity\n0,0.25\n");
//! let back = Reader::parse(&text)?;
//! assert_eq!(back.numbers("intensity")?, [0.25]);
//! # Ok::<(), spectralkd_report::Error>(())
//! ```

use std::borrow::Cow;

use crate::error::{Error, Result};

/// One field of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<'a>(Cow<'a, str>);

impl<'a> Field<'a> {
    /// A text.
    pub fn text(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A number, in the fewest digits that read back to the same bits.
    pub fn number(value: f64) -> Self {
        let text = format!("{value:?}");
        Self(Cow::Owned(match text.strip_suffix(".0") {
            Some(whole) => whole.to_owned(),
            None => text,
        }))
    }

    /// A number, or an empty field.
    pub fn optional(value: Option<f64>) -> Self {
        value.map_or(Self(Cow::Borrowed("")), Self::number)
    }

    /// A count or an index.
    pub fn whole(value: u64) -> Self {
        Self(Cow::Owned(value.to_string()))
    }
}

/// Builds a CSV text row by row.
#[derive(Clone, Debug)]
pub struct Writer {
    text: String,
}

impl Writer {
    /// Starts with a header line.
    pub fn new(columns: &[&str]) -> Self {
        let mut writer = Self {
            text: String::new(),
        };
        writer.row(columns.iter().map(|c| Field::text(c)));
        writer
    }

    /// Adds a row.
    pub fn row<'a>(&mut self, fields: impl IntoIterator<Item = Field<'a>>) {
        for (i, field) in fields.into_iter().enumerate() {
            if i > 0 {
                self.text.push(',');
            }
            if field.0.contains([',', '"', '\n', '\r']) {
                self.text.push('"');
                self.text.push_str(&field.0.replace('"', "\"\""));
                self.text.push('"');
            } else {
                self.text.push_str(&field.0);
            }
        }
        self.text.push('\n');
    }

    /// The finished text.
    pub fn finish(self) -> String {
        self.text
    }
}

/// A CSV text read back: a header and rows of the same length.
#[derive(Clone, Debug, PartialEq)]
pub struct Reader {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each as long as the header.
    pub rows: Vec<Vec<String>>,
}

impl Reader {
    /// Reads a text with a header line.
    ///
    /// # Errors
    /// [`Error::Csv`] with the line: no header, a row of another length than
    /// the header, a quote that does not close or stands inside a bare field.
    pub fn parse(text: &str) -> Result<Self> {
        let mut records = records(text)?.into_iter();
        let Some((_, columns)) = records.next() else {
            return Err(Error::Csv {
                line: 1,
                problem: "the text is empty, and a header line is needed".into(),
            });
        };
        let mut rows = Vec::new();
        for (line, row) in records {
            if row.len() != columns.len() {
                return Err(Error::Csv {
                    line,
                    problem: format!(
                        "{} fields where the header has {}",
                        row.len(),
                        columns.len()
                    ),
                });
            }
            rows.push(row);
        }
        Ok(Self { columns, rows })
    }

    /// The texts of a column.
    ///
    /// # Errors
    /// [`Error::Csv`] naming the columns there are when this one is missing.
    pub fn texts(&self, column: &str) -> Result<Vec<&str>> {
        let Some(index) = self.columns.iter().position(|c| c == column) else {
            return Err(Error::Csv {
                line: 1,
                problem: format!(
                    "no column `{column}`; the columns are {}",
                    self.columns.join(", ")
                ),
            });
        };
        Ok(self.rows.iter().map(|row| row[index].as_str()).collect())
    }

    /// The numbers of a column, none of them missing.
    ///
    /// # Errors
    /// [`Error::Csv`] when the column is missing or a field is no number.
    pub fn numbers(&self, column: &str) -> Result<Vec<f64>> {
        let texts = self.texts(column)?.into_iter().enumerate();
        texts.map(|(row, text)| number(column, row, text)).collect()
    }

    /// The numbers of a column, none where a field is empty ([`Field::optional`]).
    ///
    /// # Errors
    /// [`Error::Csv`] when the column is missing or a field is neither a number nor empty.
    pub fn optional_numbers(&self, column: &str) -> Result<Vec<Option<f64>>> {
        let texts = self.texts(column)?.into_iter().enumerate();
        let parse = |(row, text): (usize, &str)| match text {
            "" => Ok(None),
            text => number(column, row, text).map(Some),
        };
        texts.map(parse).collect()
    }
}

/// The number in a column of row `row`, from 0 below the header.
fn number(column: &str, row: usize, text: &str) -> Result<f64> {
    text.parse().map_err(|_| Error::Csv {
        line: row + 2,
        problem: format!("column `{column}` holds `{text}`, which is no number"),
    })
}

/// The records of a text, each with the line it starts on.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let (mut line, mut start) = (1, 1);
    let mut quoted = false;
    let mut closed = false; // a quoted field just ended
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => (quoted, closed) = (false, true),
            '"' if field.is_empty() && !closed => quoted = true,
            _ if quoted => {
                line += usize::from(c == '\n');
                field.push(c);
            }
            ',' => {
                record.push(std::mem::take(&mut field));
                closed = false;
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut field));
                records.push((start, std::mem::take(&mut record)));
                closed = false;
                line += 1;
                start = line;
            }
            _ if closed || c == '"' => {
                return Err(Error::Csv {
                    line,
                    problem: "a quote inside a field that is not quoted as a whole".into(),
                });
            }
            _ => field.push(c),
        }
    }
    if quoted {
        return Err(Error::Csv {
            line: start,
            problem: "a quote that is never closed".into(),
        });
    }
    if !record.is_empty() || !field.is_empty() || closed {
        record.push(field);
        records.push((start, record));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_read_back_to_the_bit() {
        for value in [0.1 + 0.2, 1e-300, -2.5e17, 3.0, f64::MIN_POSITIVE] {
            let Field(text) = Field::number(value);
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
        assert_eq!(Field::number(3.0), Field::text("3"));
        assert_eq!(Field::optional(None), Field::text(""));
    }

    #[test]
    fn broken_texts_name_their_line() {
        let line = |text: &str| match Reader::parse(text) {
            Err(Error::Csv { line, .. }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line(""), 1);
        assert_eq!(line("a,b\n1,2\n3\n"), 3);
        assert_eq!(line("a,b\n1,\"2\n"), 2);
        assert_eq!(line("a\nx\"y\n"), 2);
        assert_eq!(line("a\n\"x\"y\n"), 2);
        let read = Reader::parse("a,b\r\n1,\r\n").unwrap();
        assert!(matches!(read.numbers("b"), Err(Error::Csv { line: 2, .. })));
        assert!(matches!(read.texts("c"), Err(Error::Csv { line: 1, .. })));
    }

    proptest! {
        #[test]
        fn any_text_reads_back(fields in prop::collection::vec(any::<String>(), 1..5)) {
            // A lone carriage return before a line end belongs to the line end.
            let mut out = Writer::new(&vec!["x"; fields.len()]);
            out.row(fields.iter().map(|f| Field::text(f)));
            let read = Reader::parse(&out.finish()).unwrap();
            prop_assert_eq!(&read.rows[0], &fields);
        }
    }
}
