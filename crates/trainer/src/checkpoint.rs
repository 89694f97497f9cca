//! Checkpoints: a safetensors file, and a JSON sidecar that makes it valid.
//!
//! `checkpoints/step-00000120.safetensors` holds `weights/NAME`, `ema/NAME` and the optimiser's
//! `exp_avg/NAME`, `exp_avg_sq/NAME`, `steps/NAME`; `step-00000120.json` holds the place in the
//! run, its history and identity, and the length and sha256 of the tensor file. Both are written
//! to a temporary file, synced and renamed, the sidecar last: a checkpoint without a sidecar
//! that fits is none. Older checkpoints go only after the new one is on the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spectralkd_base::files::{write_atomic, write_atomic_with};

use crate::error::{Error, Result};
use crate::identity::{Identity, differences, sha256};
use crate::state::State;

/// The folder of checkpoints in the run's folder.
pub const FOLDER: &str = "checkpoints";

/// The version of the files' layout.
const FORMAT: u64 = 1;

/// The one key of the tensor file's metadata. One, because safetensors writes them in random
/// order, and the same state should give the same file.
const METADATA: &str = "spectralkd";

/// The contents of a sidecar.
#[derive(Serialize, Deserialize)]
struct Sidecar {
    format: u64,
    /// What the run is; see [`Identity`].
    identity: Value,
    digest: String,
    /// Length of the events file at this point, in bytes.
    events: u64,
    tensors: TensorFile,
    state: State,
}

/// What the tensor file must be.
#[derive(Serialize, Deserialize)]
struct TensorFile {
    file: String,
    bytes: u64,
    sha256: String,
}

/// A checkpoint that was read and found intact.
pub(crate) struct Checkpoint {
    /// The sidecar.
    pub path: PathBuf,
    pub tensor_path: PathBuf,
    pub state: State,
    pub events: u64,
    /// On the CPU.
    pub tensors: BTreeMap<String, Tensor>,
}

/// The checkpoints of one run.
pub(crate) struct Store {
    folder: PathBuf,
    keep: usize,
    /// Steps whose checkpoints were found torn.
    torn: BTreeSet<u64>,
}

impl Store {
    /// The store in a run's folder, which is made if it does not exist.
    pub(crate) fn open(run: &Path, keep: usize) -> Result<Self> {
        let folder = run.join(FOLDER);
        fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
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
        let stem = format!("step-{:08}", state.step);
        let file = format!("{stem}.safetensors");
        let bytes = serialise(tensors, state)?;
        let sidecar = Sidecar {
            format: FORMAT,
            identity: identity.value.clone(),
            digest: identity.digest.clone(),
            events,
            tensors: TensorFile {
                file: file.clone(),
                bytes: bytes.len() as u64,
                sha256: sha256(&bytes),
            },
            state: state.clone(),
        };
        let text = serde_json::to_vec_pretty(&sidecar).map_err(|source| Error::Json {
            what: "a checkpoint's sidecar",
            source,
        })?;
        write_atomic_with(&self.folder.join(file), |out| out.write_all(&bytes))?;
        let path = self.folder.join(format!("{stem}.json"));
        write_atomic(&path, &text)?;
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
        fs::read_dir(&self.folder)
            .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
            .map_err(Error::io("list", &self.folder))
    }
}

enum Read {
    Intact(Box<Checkpoint>),
    Torn(String),
}

/// Reads a checkpoint. What a crash can leave behind is torn; anything else that is wrong
/// (no permission, another configuration) is an error, because going on from an older
/// checkpoint would hide it.
fn read(path: &Path, identity: &Identity) -> Result<Read> {
    let text = fs::read(path).map_err(Error::io("read", path))?;
    let value: Value = match serde_json::from_slice(&text) {
        Ok(value) => value,
        Err(error) => return Ok(Read::Torn(format!("the sidecar is no JSON: {error}"))),
    };
    match value.get("format").and_then(Value::as_u64) {
        Some(FORMAT) => {}
        Some(found) => {
            return Err(Error::Format {
                path: path.to_owned(),
                found,
                expected: FORMAT,
            });
        }
        None => return Ok(Read::Torn("the sidecar names no format".into())),
    }
    let sidecar: Sidecar = match serde_json::from_value(value) {
        Ok(sidecar) => sidecar,
        Err(error) => return Ok(Read::Torn(format!("the sidecar is incomplete: {error}"))),
    };

    let tensor_path = path.with_extension("safetensors");
    let bytes = match fs::read(&tensor_path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Read::Torn(format!("{} is missing", tensor_path.display())));
        }
        Err(error) => return Err(Error::io("read", &tensor_path)(error)),
    };
    let expected = &sidecar.tensors;
    if bytes.len() as u64 != expected.bytes {
        return Ok(Read::Torn(format!(
            "{} has {} bytes, not {}",
            tensor_path.display(),
            bytes.len(),
            expected.bytes
        )));
    }
    if sha256(&bytes) != expected.sha256 {
        return Ok(Read::Torn(format!(
            "{} does not have the sha256 that was written",
            tensor_path.display()
        )));
    }

    if sidecar.identity != identity.value {
        return Err(Error::OtherConfig {
            path: path.to_owned(),
            differences: differences(&sidecar.identity, &identity.value),
        });
    }
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
        .map_err(Error::tensor(format!("reading {}", tensor_path.display())))?;
    Ok(Read::Intact(Box::new(Checkpoint {
        path: path.to_owned(),
        tensor_path,
        state: sidecar.state,
        events: sidecar.events,
        tensors: tensors.into_iter().collect(),
    })))
}

impl Checkpoint {
    /// Whether the tensors are those of a run that holds `expected`.
    pub(crate) fn check_tensors(&self, expected: &BTreeMap<String, Tensor>) -> Result<()> {
        let mut differences = Vec::new();
        for (name, tensor) in expected {
            match self.tensors.get(name) {
                None => differences.push(format!("`{name}` is missing")),
                Some(found)
                    if found.shape() != tensor.shape() || found.dtype() != tensor.dtype() =>
                {
                    differences.push(format!(
                        "`{name}` is {:?} {:?}, not {:?} {:?}",
                        found.dtype(),
                        found.shape(),
                        tensor.dtype(),
                        tensor.shape()
                    ));
                }
                Some(_) => {}
            }
        }
        for name in self.tensors.keys().filter(|n| !expected.contains_key(*n)) {
            differences.push(format!("`{name}` is unexpected"));
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::OtherTensors {
            path: self.tensor_path.clone(),
            differences,
        })
    }
}

/// The bytes of the tensor file; the same for the same state.
fn serialise(tensors: &BTreeMap<String, Tensor>, state: &State) -> Result<Vec<u8>> {
    let failed = || Error::tensor(format!("saving the state after step {}", state.step));
    // On the CPU first: the library's own way there panics where a copy fails.
    let tensors: BTreeMap<&String, Tensor> = tensors
        .iter()
        .map(|(name, tensor)| Ok((name, tensor.to_device(&Device::Cpu)?)))
        .collect::<candle_core::Result<_>>()
        .map_err(failed())?;
    let about = serde_json::json!({
        "format": FORMAT, "step": state.step, "epoch": state.epoch,
        "step_in_epoch": state.step_in_epoch,
    });
    let metadata = HashMap::from([(METADATA.to_string(), about.to_string())]);
    safetensors::serialize(&tensors, Some(metadata))
        .map_err(candle_core::Error::from)
        .map_err(failed())
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
