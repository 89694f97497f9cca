//! A folder that appears whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::{CONFIG, FILES, GENERATOR};
use crate::{Error, Result};

/// A hidden folder beside the one that is to appear; deleted if it is not [published](Self::publish).
pub(super) struct Place {
    hidden: PathBuf,
    target: PathBuf,
}

impl Place {
    /// Makes the hidden folder, and the parents of `target`, where nothing but an empty folder or an export may be.
    pub fn beside(target: &Path) -> Result<Self> {
        // An existing folder by its real name: links stay links, and "." gets one.
        let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
        occupied(&target)?;
        let failed = |error: io::Error| failed(&target, &error);
        let (Some(name), Some(parent)) = (target.file_name(), target.parent()) else {
            return Err(Error::Folder {
                path: target,
                problem: "this is no name for a new folder".into(),
            });
        };
        if !parent.as_os_str().is_empty() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        loop {
            let hidden = target.with_file_name(unused(&name.to_string_lossy()));
            match fs::create_dir(&hidden) {
                Ok(()) => return Ok(Self { hidden, target }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// The path of a file to write.
    pub fn file(&self, name: &str) -> PathBuf {
        self.hidden.join(name)
    }

    /// Gives the folder its name.
    pub fn publish(self) -> Result<()> {
        occupied(&self.target)?;
        let failed = |error: io::Error| failed(&self.target, &error);
        if !self.target.exists() {
            return fs::rename(&self.hidden, &self.target).map_err(failed);
        }
        let name = self
            .target
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let old = self.target.with_file_name(unused(&name));
        fs::rename(&self.target, &old).map_err(failed)?;
        if let Err(error) = fs::rename(&self.hidden, &self.target) {
            fs::rename(&old, &self.target).map_err(failed)?;
            return Err(failed(error));
        }
        fs::remove_dir_all(&old).map_err(failed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // After publishing there is none. An error is on its way to the caller already; this one would hide it.
        let _ = fs::remove_dir_all(&self.hidden);
    }
}

/// A hidden name that no other writer, in this process or another, uses.
fn unused(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(".{name}.{}.{number}.tmp", process::id())
}

/// An error if there is something else than an empty folder or an export.
fn occupied(target: &Path) -> Result<()> {
    let names = match fs::read_dir(target) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(|error| failed(target, &error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(target, &error)),
    };
    let text = fs::read(target.join(CONFIG)).unwrap_or_default();
    let config: Value = serde_json::from_slice(&text).unwrap_or_default();
    let generator = config[GENERATOR].as_str().unwrap_or_default();
    let ours = generator.starts_with(env!("CARGO_PKG_NAME"))
        && names.iter().all(|name| FILES.contains(&name.as_str()));
    if names.is_empty() || ours {
        return Ok(());
    }
    let mut holds = names;
    holds.sort();
    Err(Error::Occupied {
        path: target.to_owned(),
        holds,
    })
}

fn failed(target: &Path, error: &io::Error) -> Error {
    Error::Folder {
        path: target.to_owned(),
        problem: format!("the folder cannot be written: {error}"),
    }
}
