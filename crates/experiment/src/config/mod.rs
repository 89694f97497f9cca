//! From a TOML file to an [`Experiment`] that makes sense, in three steps.
//!
//! 1. [`Source`]: the text, and where each key stands in it.
//! 2. [`Merged`]: one profile and the command line's overrides laid over it.
//! 3. [`Experiment`]: one type for what is read, used and written, with defaults; [`Experiment::validate`] has the rules.
//!    Its parts are types of the crates that use them: the trainer's configuration, the losses' specs, the models'.
//!
//! A mistake ends in a [`crate::error::ConfigError`] that knows its line and
//! the nearest valid name.

mod compare;
mod data;
mod experiment;
mod fault;
mod merge;
mod source;
mod teacher;
mod validate;

use std::path::{Path, PathBuf};

use spectralkd_base::nearest;

pub use compare::{Comparison, Export, Floor, Spectra, Variant};
pub use data::{Crop, Data, Source as DataSource};
pub use experiment::{Distillation, Experiment};
pub use fault::Fault;
pub use merge::Merged;
pub use source::Source;
pub use teacher::Teacher;
pub use toml::Value;

use crate::error::{Error, Result};

/// Reads an experiment file, applies a profile (`None`: the file's default)
/// and overrides of the form `a.b=value`, and checks the result.
///
/// # Errors
/// The file cannot be read, or holds a mistake (with its line).
pub fn load(path: &Path, profile: Option<&str>, sets: &[String]) -> Result<Experiment> {
    resolve(&Source::read(path)?, profile, sets)
}

/// [`load`] for a file that has been read already.
///
/// # Errors
/// As [`load`].
pub fn resolve(source: &Source, profile: Option<&str>, sets: &[String]) -> Result<Experiment> {
    let merged = Merged::new(source, profile, sets)?;
    let mut experiment = merged.read()?;
    let checked = experiment.validate();
    checked.map_err(|fault| merged.error(&fault.key, fault.message))?;
    experiment.rebase(source.path().parent().unwrap_or(Path::new("")));
    Ok(experiment)
}

/// The experiment files of a folder, by name.
///
/// # Errors
/// The folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = std::fs::read_dir(folder).map_err(|source| Error::Read {
        path: folder.to_owned(),
        source,
    })?;
    let mut found: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .filter_map(|path| {
            let name = path.file_stem()?.to_string_lossy().into_owned();
            Some((name, path))
        })
        .collect();
    found.sort();
    Ok(found)
}

/// The file of an experiment: a path to a TOML file, or a name in `folder`.
///
/// # Errors
/// There is neither; the error lists the names and suggests the nearest.
pub fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let as_path = Path::new(name);
    if as_path.extension().is_some_and(|e| e == "toml") && as_path.is_file() {
        return Ok(as_path.to_owned());
    }
    let known = list(folder)?;
    if let Some((_, path)) = known.iter().find(|(n, _)| n == name) {
        return Ok(path.clone());
    }
    let names: Vec<&str> = known.iter().map(|(n, _)| n.as_str()).collect();
    Err(Error::UnknownExperiment {
        name: name.to_owned(),
        suggestion: nearest(name, names.iter().copied()).map(str::to_owned),
        known: names.join(", "),
    })
}
