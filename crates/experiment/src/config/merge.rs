//! File, profile and `--set` laid over one another.

use serde::Deserialize;
use spectralkd_base::{inner_error, nearest};
use toml::{Table, Value};

use super::Experiment;
use super::source::Source;
use crate::error::{ConfigError, Error, Result};

/// An experiment file with one profile and the command line's overrides applied.
#[derive(Debug)]
pub struct Merged<'a> {
    source: &'a Source,
    profile: String,
    sets: Vec<String>,
    table: Table,
}

impl<'a> Merged<'a> {
    /// Applies `profile` (or the file's own default) and then each `a.b=value`.
    ///
    /// # Errors
    /// An unknown profile; an override without `=`, or one whose path leads through something that is not a table.
    pub fn new(source: &'a Source, profile: Option<&str>, sets: &[String]) -> Result<Self> {
        let mut table = source.table().clone();
        let profiles = match table.get("profiles") {
            Some(Value::Table(profiles)) => profiles.clone(),
            _ => Table::new(),
        };
        let default = table.get("profile").and_then(Value::as_str);
        let asked = profile.is_some();
        let profile = profile.or(default).unwrap_or("full").to_owned();
        match profiles.get(&profile) {
            Some(Value::Table(overrides)) => overlay(&mut table, overrides),
            // A file without profiles has one, which changes nothing: what was resolved before has the name of its own.
            None if profiles.is_empty() && (profile == "full" || !asked) => {}
            _ => {
                let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
                let help = nearest(&profile, known.iter().copied())
                    .map(|n| format!("did you mean `{n}`?"));
                let message = format!(
                    "there is no profile `{profile}`; there are: {}",
                    known.join(", ")
                );
                return Err(source
                    .error(message, source.locate("profiles"), help)
                    .into());
            }
        }
        let mut applied = Vec::new();
        for set in sets {
            let (path, value) =
                parse_set(set).ok_or_else(|| wrong(set, "write it as a.b=value".into()))?;
            insert(&mut table, &path, value).map_err(|problem| {
                let file = source.path().display();
                wrong(set, format!("{problem} in {file}"))
            })?;
            applied.push(path);
        }
        Ok(Self {
            source,
            profile,
            sets: applied,
            table,
        })
    }

    /// The merged file, unchecked.
    ///
    /// # Errors
    /// A missing, unknown or mistyped key, at its line, with the nearest valid name.
    pub fn read(&self) -> Result<Experiment> {
        let mut table = self.table.clone();
        // What the others were is of no use once one has been chosen.
        table.remove("profiles");
        table.insert("profile".into(), self.profile.clone().into());
        let name = self.source.name();
        table.entry("name").or_insert_with(|| name.into());
        serde_path_to_error::deserialize::<_, Experiment>(Value::Table(table)).map_err(|e| {
            let path = e.path().to_string().replace('[', ".").replace(']', "");
            let path = path.trim_matches('.');
            let message = e.inner().message();
            // Losses and models are read by hand, and say themselves which of their keys is at fault.
            let (inner, message) = inner_error::split(message);
            let path = [path, inner].join(".");
            self.explain(path.trim_matches('.'), message.to_owned())
                .into()
        })
    }

    /// An error about the key at `path`.
    pub fn error(&self, path: &str, message: String) -> ConfigError {
        self.at(path, message, None)
    }

    /// Turns serde's message into ours: the place of an unknown key, and the nearest known one.
    fn explain(&self, path: &str, message: String) -> ConfigError {
        let mut quoted = message.split('`').skip(1).step_by(2);
        let unknown =
            message.starts_with("unknown field") || message.starts_with("unknown variant");
        let Some(name) = quoted.next().filter(|_| unknown) else {
            return self.at(path, message.clone(), None);
        };
        let help = nearest(name, quoted).map(|n| format!("did you mean `{n}`?"));
        let ends_in_name = path.rsplit('.').next() == Some(name);
        let place = match (path, message.starts_with("unknown field") && !ends_in_name) {
            ("", true) => name.to_owned(),
            (_, true) => format!("{path}.{name}"),
            (_, false) => path.to_owned(),
        };
        self.at(&place, message.clone(), help)
    }

    fn at(&self, path: &str, message: String, help: Option<String>) -> ConfigError {
        let under = |set: &String| path == set || path.starts_with(&format!("{set}."));
        if let Some(set) = self.sets.iter().find(|s| under(s)) {
            return self
                .source
                .error(format!("--set {set}: {message}"), None, help);
        }
        let in_profile = format!("profiles.{}.{path}", self.profile);
        let overridden = has(self.source.table(), &in_profile);
        let span = self
            .source
            .locate(if overridden { &in_profile } else { path });
        let message = if path.is_empty() {
            message
        } else {
            format!("`{path}`: {message}")
        };
        self.source.error(message, span, help)
    }
}

/// Lays `over` on `base`: tables are merged key by key, everything else is replaced.
fn overlay(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => overlay(below, above),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// `a.b=1` as a path and a TOML value; what is no TOML value is a string.
fn parse_set(set: &str) -> Option<(String, Value)> {
    let (path, text) = set.split_once('=')?;
    let path = path.trim();
    if path.is_empty() || path.split('.').any(str::is_empty) {
        return None;
    }
    #[derive(Deserialize)]
    struct One {
        value: Value,
    }
    let value = toml::from_str::<One>(&format!("value = {}", text.trim()))
        .map_or_else(|_| Value::String(text.trim().to_owned()), |one| one.value);
    Some((path.to_owned(), value))
}

fn wrong(set: &str, problem: String) -> Error {
    let set = set.to_owned();
    Error::Set { set, problem }
}

/// Puts a value at a dotted path, through tables and entries of lists; an error says which part is neither.
fn insert(table: &mut Table, path: &str, value: Value) -> std::result::Result<(), String> {
    let (parents, last) = path
        .rsplit_once('.')
        .map_or((None, path), |(p, l)| (Some(p), l));
    let mut here: &mut Table = table;
    let mut parts = parents.into_iter().flat_map(|p| p.split('.'));
    while let Some(part) = parts.next() {
        let below = here
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()));
        let below = match below {
            Value::Array(entries) => {
                let (count, index) = (entries.len(), parts.next().unwrap_or(last));
                let entry = index.parse().ok().and_then(|i: usize| entries.get_mut(i));
                entry.ok_or_else(|| {
                    format!(
                        "`{part}` is a list of {count}, counted from 0, and has no entry `{index}`"
                    )
                })?
            }
            other => other,
        };
        here = below
            .as_table_mut()
            .ok_or_else(|| format!("`{part}` is not a table"))?;
    }
    here.insert(last.to_owned(), value);
    Ok(())
}

/// Whether a dotted path leads to something.
fn has(table: &Table, path: &str) -> bool {
    let mut parts = path.split('.');
    let Some(mut value) = parts.next().and_then(|p| table.get(p)) else {
        return false;
    };
    for part in parts {
        let next = match value {
            Value::Table(t) => t.get(part),
            Value::Array(a) => part.parse::<usize>().ok().and_then(|i| a.get(i)),
            _ => None,
        };
        let Some(next) = next else { return false };
        value = next;
    }
    true
}
