//! The run folder: where a profile's results live, and how nothing in it is lost.
//!
//! ```text
//! runs/<experiment>/<profile>/
//!   config.toml                 the resolved configuration
//!   manifest.json               revision, checksums, machine, every call of the command
//!   results.csv  table.csv      one row per run; one row per variant
//!   report.html  figures/       rewritten by every call
//!   teacher/                    spectra of the teacher
//!   <variant>/seed-<n>/         events, checkpoints, weights, spectra, result.json
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use spectralkd_base::files::write_atomic;
use spectralkd_base::folders::{Lock, make, move_aside};

use crate::config::Experiment;
use crate::error::{Error, Result};

/// The resolved configuration in a run folder.
pub(crate) const CONFIG: &str = "config.toml";

/// An open run folder, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    _lock: Lock,
}

impl RunFolder {
    /// Opens (or makes) the folder of an experiment and writes its resolved configuration.
    ///
    /// With `fresh`, a folder that is there is moved aside first, to
    /// `<profile>.1`, `<profile>.2`, …
    ///
    /// # Errors
    /// The folder holds runs of another configuration (the seeds and the number of ranks may
    /// differ), another process works in it, or it cannot be written.
    pub fn open(root: &Path, experiment: &Experiment, fresh: bool) -> Result<Self> {
        if fresh && root.exists() {
            move_aside(root)?;
        }
        make(root)?;
        let folder = Self {
            root: root.to_owned(),
            _lock: Lock::take(root)?,
        };
        let path = folder.config();
        let ours = resolved(experiment)?;
        // Without a manifest nothing has run here yet: a mistake in the configuration may be mended.
        if path.exists() && folder.manifest().exists() {
            let theirs = fs::read_to_string(&path).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })?;
            if let Some(line) = first_difference(&theirs, &ours) {
                let message = format!(
                    "this folder holds runs of another configuration (first difference: {line}); choose another folder with --out"
                );
                return Err(Error::RunFolder { path, message });
            }
        }
        write_atomic(&path, ours.as_bytes())?;
        Ok(folder)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.root.join(CONFIG)
    }

    /// `manifest.json`.
    pub fn manifest(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    /// `report.html`.
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// The folder of one run; made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn run(&self, variant: &str, seed: u64) -> Result<PathBuf> {
        let path = self.root.join(variant).join(format!("seed-{seed}"));
        make(&path)?;
        Ok(path)
    }

    /// A subfolder; made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn sub(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        make(&path)?;
        Ok(path)
    }
}

/// The resolved configuration as TOML.
///
/// # Errors
/// A value that TOML cannot hold (a seed above 2^63).
pub fn resolved(experiment: &Experiment) -> Result<String> {
    toml::to_string(experiment).map_err(|e| Error::Write {
        path: CONFIG.into(),
        source: std::io::Error::other(e),
    })
}

/// What may differ between two calls: other runs, or the same ones shared out in another way.
const MAY_DIFFER: [&str; 2] = ["seeds =", "ranks ="];

/// The first line in which two configurations differ, [`MAY_DIFFER`] apart.
fn first_difference(theirs: &str, ours: &str) -> Option<String> {
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|l| !MAY_DIFFER.iter().any(|key| l.starts_with(key)))
            .map(str::to_owned)
            .collect()
    };
    let (a, b) = (lines(theirs), lines(ours));
    let at = (0..a.len().max(b.len())).find(|&i| a.get(i) != b.get(i))?;
    let show = |side: &[String]| {
        side.get(at)
            .map_or_else(|| "nothing".to_owned(), |l| format!("`{l}`"))
    };
    Some(format!("{} there, {} here", show(&a), show(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_ranks_may_differ_and_nothing_else() {
        let a = "title = \"x\"\nseeds = [0]\nlr = 1.0\n";
        let b = "title = \"x\"\nseeds = [0, 1]\nlr = 1.0\nranks = 2\n";
        let c = "title = \"x\"\nseeds = [0]\nlr = 2.0\n";
        assert_eq!(first_difference(a, b), None);
        assert_eq!(
            first_difference(a, c).as_deref(),
            Some("`lr = 1.0` there, `lr = 2.0` here")
        );
    }
}
