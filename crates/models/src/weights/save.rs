//! Writing weights, and reading what was written beside them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

use candle_core::Tensor;
use spectralkd_base::files::write_atomic;

use super::safetensors_file::{header, read_error};
use super::source::STORED;
use crate::{Error, Result};

/// The key of the metadata that [`save`] writes and [`metadata`] reads.
pub const METADATA_KEY: &str = "spectralkd";

/// Writes `tensors` to `path` with `metadata`: the new file is whole or not there at all.
///
/// # Errors
/// [`Error::Encode`] for a tensor that is not f32, f64, f16 or bf16, [`Error::Write`] if the file cannot be written.
pub fn save(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &serde_json::Value,
) -> Result<()> {
    let bytes = encode(path, tensors, METADATA_KEY, &metadata.to_string())?;
    Ok(write_atomic(path, &bytes)?)
}

/// The bytes of a safetensors file with one entry of metadata.
pub(crate) fn encode(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    key: &str,
    value: &str,
) -> Result<Vec<u8>> {
    let bad = |problem| Error::Encode {
        path: path.to_owned(),
        problem,
    };
    // The encoder panics on what it cannot encode.
    if let Some((name, tensor)) = tensors
        .iter()
        .find(|(_, tensor)| !STORED.contains(&tensor.dtype()))
    {
        return Err(bad(format!(
            "{name} is of type {:?}, and weights are f32, f64, f16 or bf16",
            tensor.dtype()
        )));
    }
    let entry = HashMap::from([(key.to_string(), value.to_string())]);
    safetensors::serialize(tensors, Some(entry)).map_err(|error| bad(error.to_string()))
}

/// The metadata that [`save`] wrote into a file; `None` in a file from elsewhere.
///
/// # Errors
/// [`Error::Read`], and [`Error::Format`] also for metadata under our key that is no JSON.
pub fn metadata(path: &Path) -> Result<Option<serde_json::Value>> {
    let mut file = File::open(path).map_err(|source| read_error(path, source))?;
    let (_, header) = header(path, &mut file)?;
    let entries = header.metadata().as_ref();
    let Some(text) = entries.and_then(|entries| entries.get(METADATA_KEY)) else {
        return Ok(None);
    };
    serde_json::from_str(text)
        .map(Some)
        .map_err(|error| Error::Format {
            path: path.to_owned(),
            problem: format!("its metadata `{METADATA_KEY}` is no JSON ({error})"),
        })
}
