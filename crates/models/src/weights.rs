//! Weights on disk, as safetensors with timm's names and shapes; and models that keep theirs as they are.
//!
//! A file written here carries one entry of metadata, under the key [`METADATA_KEY`]: a JSON text
//! of the caller's. (One, because the format's writer keeps them in a hash map: two would come in
//! either order, and equal weights in different files.) Equal tensors and metadata make files that
//! are equal to the bit.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::{SafeTensorError, SafeTensors};
use spectralkd_base::files::write_atomic;
use spectralkd_nn::params;

use crate::{Error, Mismatch, ModelConfig, Result, VisionModel};

/// The key of the metadata that [`save`] writes and [`metadata`] reads.
pub const METADATA_KEY: &str = "spectralkd";

/// The types of weights in files.
const STORED: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];

/// Reads the weights of a model of these sizes from a safetensors file, as f32 on `device`; files
/// of f64, f16 and bf16 are converted.
///
/// # Errors
/// - [`Error::Config`] for sizes that no model can have;
/// - [`Error::Read`] for a file that is missing or unreadable;
/// - [`Error::Format`] for one that is no safetensors file, or a truncated or corrupted one;
/// - [`Error::Mismatch`] lists at once all tensors that are missing, superfluous, of another shape
///   than the model's, or of a type that holds no weights;
/// - [`Error::NotFinite`] if a value is NaN or infinite.
pub fn load(
    path: &Path,
    config: &ModelConfig,
    device: &Device,
) -> Result<BTreeMap<String, Tensor>> {
    let expected = config.parameters()?;
    let bytes = read(path)?;
    let file = parse(path, &bytes)?;

    let mut found = BTreeMap::new();
    for (name, view) in file.iter() {
        let usable = DType::try_from(view.dtype()).is_ok_and(|dtype| STORED.contains(&dtype));
        let described = if usable {
            Ok(())
        } else {
            Err(view.dtype().to_string())
        };
        found.insert(name.to_string(), (view.shape().to_vec(), described));
    }
    let origin = format!("the weights in {}", path.display());
    refuse(differences(&expected, &found), &origin, config)?;

    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        tensors.insert(name.to_string(), view.load(device)?.to_dtype(DType::F32)?);
    }
    check_finite(&tensors, &origin)?;
    Ok(tensors)
}

/// Writes `tensors` to `path` with `metadata`: the new file is whole or not there at all.
///
/// # Errors
/// [`Error::Encode`] for a tensor that is not f32, f64, f16 or bf16, [`Error::Write`] if the file cannot be written.
pub fn save(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &serde_json::Value,
) -> Result<()> {
    // The encoder panics on what it cannot encode.
    if let Some((name, tensor)) = tensors
        .iter()
        .find(|(_, tensor)| !STORED.contains(&tensor.dtype()))
    {
        return Err(Error::Encode {
            path: path.to_owned(),
            problem: format!(
                "{name} is of type {:?}, and weights are f32, f64, f16 or bf16",
                tensor.dtype()
            ),
        });
    }
    let entry = HashMap::from([(METADATA_KEY.to_string(), metadata.to_string())]);
    let bytes = safetensors::serialize(tensors, Some(entry)).map_err(|error| Error::Encode {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    Ok(write_atomic(path, &bytes)?)
}

/// The metadata that [`save`] wrote into a file; `None` in a file from elsewhere.
///
/// # Errors
/// [`Error::Read`], and [`Error::Format`] also for metadata under our key that is no JSON.
pub fn metadata(path: &Path) -> Result<Option<serde_json::Value>> {
    let bytes = read(path)?;
    let (_, header) =
        SafeTensors::read_metadata(&bytes).map_err(|error| format_error(path, &bytes, &error))?;
    let Some(text) = header
        .metadata()
        .as_ref()
        .and_then(|map| map.get(METADATA_KEY))
    else {
        return Ok(None);
    };
    serde_json::from_str(text)
        .map(Some)
        .map_err(|error| Error::Format {
            path: path.to_owned(),
            problem: format!("its metadata `{METADATA_KEY}` is no JSON ({error})"),
        })
}

/// A model whose weights stay as they are: a trained teacher, or a student under evaluation. No
/// gradient reaches its parameters, and without a trainable tensor in the images its forward pass
/// keeps no graph. All tensors are of one type, f32 or f64, which is the type of the images.
///
/// The values are copied: later steps of an optimiser do not show in a model frozen from the present
/// values of trainable variables.
///
/// # Errors
/// [`Error::Config`], [`Error::Mismatch`] and [`Error::NotFinite`], as [`load`].
pub fn frozen(
    config: &ModelConfig,
    tensors: &BTreeMap<String, Tensor>,
    device: &Device,
) -> Result<Box<dyn VisionModel>> {
    let dtype = tensors.values().next().map_or(DType::F32, Tensor::dtype);
    let usable = matches!(dtype, DType::F32 | DType::F64);
    let mut found = BTreeMap::new();
    for (name, tensor) in tensors {
        let described = match tensor.dtype() {
            own if own == dtype && usable => Ok(()),
            own => Err(format!("{own:?}")),
        };
        found.insert(name.clone(), (tensor.dims().to_vec(), described));
    }
    let origin = "the tensors given";
    refuse(differences(&config.parameters()?, &found), origin, config)?;
    check_finite(tensors, origin)?;

    let mut own = BTreeMap::new();
    for (name, tensor) in tensors {
        own.insert(name.clone(), tensor.detach().copy()?.to_device(device)?);
    }
    config.build(params::frozen(own, dtype, device))
}

/// The shape of a tensor and, as an error, the name of its type if that holds no weights.
type Found = (Vec<usize>, std::result::Result<(), String>);

/// Compares what was found with the model's parameters.
fn differences(
    expected: &BTreeMap<String, Vec<usize>>,
    found: &BTreeMap<String, Found>,
) -> Mismatch {
    let mut mismatch = Mismatch::default();
    for (name, shape) in expected {
        match found.get(name) {
            None => mismatch.missing.push(format!("{name} {shape:?}")),
            Some((own, _)) if own != shape => {
                mismatch
                    .misshaped
                    .push(format!("{name} {own:?}, not {shape:?}"));
            }
            Some((_, Err(dtype))) => mismatch.mistyped.push(format!("{name} is {dtype}")),
            Some(_) => {}
        }
    }
    for (name, (shape, _)) in found {
        if !expected.contains_key(name) {
            mismatch.unexpected.push(format!("{name} {shape:?}"));
        }
    }
    mismatch
}

fn refuse(mismatch: Mismatch, origin: &str, config: &ModelConfig) -> Result<()> {
    if mismatch.is_empty() {
        return Ok(());
    }
    Err(Error::Mismatch {
        origin: origin.to_string(),
        family: config.family(),
        mismatch: Box::new(mismatch),
    })
}

fn check_finite(tensors: &BTreeMap<String, Tensor>, origin: &str) -> Result<()> {
    let mut bad = Vec::new();
    for (name, tensor) in tensors {
        let values = tensor
            .detach()
            .flatten_all()?
            .to_dtype(DType::F64)?
            .to_vec1::<f64>()?;
        let count = values.iter().filter(|value| !value.is_finite()).count();
        if count > 0 {
            bad.push(format!("{name} ({count} of {})", values.len()));
        }
    }
    if bad.is_empty() {
        return Ok(());
    }
    Err(Error::NotFinite {
        origin: origin.to_string(),
        tensors: bad,
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes).map_err(|error| format_error(path, bytes, &error))
}

/// Says what a reader of the format only hints at.
fn format_error(path: &Path, bytes: &[u8], error: &SafeTensorError) -> Error {
    let likely = match error {
        SafeTensorError::MetadataIncompleteBuffer => {
            "it is truncated, or has bytes after its end; fetch or write it again"
        }
        _ if bytes.starts_with(b"PK") || bytes.starts_with(b"\x80") => {
            "it looks like a PyTorch file (.pth); save its state dict with safetensors.torch.save_file"
        }
        _ if bytes.starts_with(b"version https://git-lfs") => {
            "it is a Git LFS pointer, not the file that it points to; run `git lfs pull`"
        }
        _ => "it is another kind of file or a corrupted one; fetch or write it again",
    };
    Error::Format {
        path: path.to_owned(),
        problem: format!("{likely} ({error}; {} bytes)", bytes.len()),
    }
}
