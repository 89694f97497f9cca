//! The two files of one checkpoint: how they are written, read, and found intact or torn.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spectralkd_base::digest::sha256;
use spectralkd_base::files::{write_atomic, write_atomic_with};

use crate::error::{Error, Result};
use crate::identity::{Identity, differences};
use crate::state::State;

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

/// Writes both files of a checkpoint into the folder, the sidecar last, and returns its path.
pub(super) fn write(
    folder: &Path,
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
    write_atomic_with(&folder.join(file), |out| out.write_all(&bytes))?;
    let path = folder.join(format!("{stem}.json"));
    write_atomic(&path, &text)?;
    Ok(path)
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

/// What became of reading a checkpoint.
pub(super) enum Read {
    Intact(Box<Checkpoint>),
    Torn(String),
}

/// Reads a checkpoint. What a crash can leave behind is torn; anything else that is wrong
/// (no permission, another configuration) is an error, because going on from an older
/// checkpoint would hide it.
pub(super) fn read(path: &Path, identity: &Identity) -> Result<Read> {
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
