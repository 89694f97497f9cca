//! Checkpoints: a safetensors file, and a JSON sidecar that makes it valid.
//!
//! `checkpoints/step-00000120.safetensors` holds `weights/NAME`, `ema/NAME` and the optimiser's
//! `exp_avg/NAME`, `exp_avg_sq/NAME`, `steps/NAME`; `step-00000120.json` holds the place in the
//! run, its history and identity, and the length and sha256 of the tensor file. Both are written
//! to a temporary file, synced and renamed, the sidecar last: a checkpoint without a sidecar
//! that fits is none. Older checkpoints go only after the new one is on the disk.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::state::State;

pub(crate) use files::Checkpoint;
use files::{Read, read};

/// The folder of checkpoints in the run's folder.
pub const FOLDER: &str = "checkpoints";

/// The checkpoints of one run.
pub(crate) struct Store {
    folder: PathBuf,
    keep: usize,
    /// Steps whose checkpoints were found torn.
    torn: BTreeSet<u64>,
}

impl Store {
    /// The store in a run's folder, which its keeper makes if it does not exist.
    pub(crate) fn open(run: &Path, keep: usize, keeper: bool) -> Result<Self> {
        let folder = run.join(FOLDER);
        if keeper {
            fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
        }
        Ok(Self {
            folder,
            keep,
            torn: BTreeSet::new(),
        })
    }

    /// Writes a checkpoint and returns its sidecar's path. Older ones stay; see [`Store::prune`].
    pub(crate) fn save(
        &mut self,
        identity: &Identity,
        state: &State,
        tensors: &BTreeMap<String, Tensor>,
        events: u64,
    ) -> Result<PathBuf> {
        let path = files::write(&self.folder, identity, state, tensors, events)?;
        self.torn.remove(&state.step);
        tracing::debug!(path = %path.display(), "checkpoint written");
        Ok(path)
    }

    /// Deletes what the checkpoint at `step` supersedes: up to it, all but the newest intact
    /// ones, and what killed processes left half written. To be called once it is written.
    pub(crate) fn prune(&self, step: u64) -> Result<()> {
        let files = self.files()?;
        let superseded = |kind: &str| {
            let mut found: Vec<(u64, &PathBuf)> = files
                .iter()
                .filter_map(|path| Some((step_of(path, kind)?, path)))
                .filter(|(at, _)| *at <= step)
                .collect();
            found.sort_by(|a, b| b.cmp(a));
            found
        };
        let sidecars = superseded(".json");
        let kept: BTreeSet<u64> = sidecars
            .iter()
            .map(|(at, _)| *at)
            .filter(|at| !self.torn.contains(at))
            .take(self.keep)
            .collect();
        // Sidecars go first: without them the tensors are no checkpoint.
        for (at, path) in sidecars.into_iter().chain(superseded(".safetensors")) {
            if !kept.contains(&at) {
                remove(path)?;
            }
        }
        for path in &files {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
            if name.starts_with(".step-") && name.ends_with(".tmp") {
                remove(path)?;
            }
        }
        Ok(())
    }

    /// The newest intact checkpoint of this identity; torn ones are skipped with a warning.
    pub(crate) fn newest(&mut self, identity: &Identity) -> Result<Option<Checkpoint>> {
        let mut sidecars: Vec<(u64, PathBuf)> = self
            .files()?
            .into_iter()
            .filter_map(|path| Some((step_of(&path, ".json")?, path)))
            .collect();
        sidecars.sort_by(|a, b| b.cmp(a));
        for (step, path) in sidecars {
            match read(&path, identity)? {
                Read::Intact(checkpoint) => return Ok(Some(*checkpoint)),
                Read::Torn(reason) => {
                    tracing::warn!(
                        checkpoint = %path.display(), reason,
                        "skipping a torn checkpoint"
                    );
                    self.torn.insert(step);
                }
            }
        }
        Ok(None)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listing => listing,
        }
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(Error::io("list", &self.folder))
    }
}

/// The step of a checkpoint's file of this kind (".json", ".safetensors"); none for other files.
fn step_of(path: &Path, kind: &str) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("step-")?.strip_suffix(kind)?.parse().ok()
}

/// Deletes a file that may be gone already.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("delete", path)(error))
        }
        _ => Ok(()),
    }
}
