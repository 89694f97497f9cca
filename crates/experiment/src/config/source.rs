//! The text of an experiment file, and where each key stands in it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::error::{ConfigError, Error, Result};

/// An experiment file: its path, its text, and what it parses to.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    table: toml::Table,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is not TOML (with the line).
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, text)
    }

    /// Takes the text of a file that has been read already.
    ///
    /// # Errors
    /// The text is not TOML.
    pub fn parse(path: &Path, text: String) -> Result<Self> {
        let parsed = toml::from_str::<toml::Table>(&text);
        let mut source = Self {
            path: path.to_owned(),
            text,
            table: toml::Table::new(),
        };
        match parsed {
            Ok(table) => {
                source.table = table;
                Ok(source)
            }
            Err(e) => Err(source.error(e.message().to_owned(), e.span(), None).into()),
        }
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The experiment's name: the file's name without its ending.
    pub fn name(&self) -> String {
        self.path
            .file_stem()
            .map(|s| s.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// The parsed file, profiles and all.
    pub fn table(&self) -> &toml::Table {
        &self.table
    }

    /// Bytes of the text that hold the value (or, for `None` of it, the key)
    /// under a dotted path such as `train.lr` or `variants.1.name`; where the
    /// path is absent, its longest present prefix.
    pub fn locate(&self, path: &str) -> Option<Range<usize>> {
        let table = DeTable::parse(&self.text).ok()?;
        let mut parts = path.split('.');
        let first = parts.next()?;
        let (key, value) = table.get_ref().get_key_value(first)?;
        let mut span = key.span();
        let mut value = value.get_ref();
        for part in parts {
            let next = match value {
                DeValue::Table(table) => table
                    .get_key_value(part)
                    .map(|(k, v)| (k.span(), v.get_ref())),
                DeValue::Array(array) => part
                    .parse::<usize>()
                    .ok()
                    .and_then(|i| array.get(i))
                    .map(|v| (v.span(), v.get_ref())),
                _ => None,
            };
            let Some((next_span, next_value)) = next else {
                break;
            };
            span = next_span;
            value = next_value;
        }
        Some(span)
    }

    /// An error at a place of this file.
    pub fn error(
        &self,
        message: String,
        span: Option<Range<usize>>,
        help: Option<String>,
    ) -> ConfigError {
        let line = span.as_ref().map(|s| {
            self.text[..s.start.min(self.text.len())]
                .matches('\n')
                .count()
                + 1
        });
        ConfigError {
            path: self.path.clone(),
            text: self.text.clone(),
            line,
            span,
            message,
            help,
        }
    }
}
