//! Safetensors files that may be larger than memory: images in, features out, in slices along
//! the first axis.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use std::collections::BTreeMap;
//!
//! use candle_core::{DType, Device, Tensor};
//! use spectralkd_models::Error;
//! use spectralkd_models::tensor_file::{Slices, write_slices};
//!
//! let path = folder.path().join("images.safetensors");
//! let shapes = BTreeMap::from([("images".to_owned(), vec![4, 3, 8, 8])]);
//! let batch = Tensor::ones((2, 3, 8, 8), DType::F32, &Device::Cpu)?;
//! write_slices(&path, &shapes, &"two batches".into(), |file| {
//!     file.push("images", &batch)?;
//!     file.push("images", &batch)?;
//!     Ok::<(), Error>(())
//! })?;
//!
//! let mut images = Slices::open(&path, "images")?;
//! assert_eq!(images.shape(), [4, 3, 8, 8]);
//! assert_eq!(images.read(1, 2)?.dims(), [2, 3, 8, 8]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use spectralkd_base::files::{FileError, write_atomic_file};

use crate::weights::METADATA_KEY;
use crate::weights::safetensors_file::{header, read_error};
use crate::{Error, Result};

/// Bytes of an f32.
const F32: u64 = 4;

/// One f32 tensor of a safetensors file, read in slices along its first axis.
#[derive(Debug)]
pub struct Slices {
    file: File,
    path: PathBuf,
    name: String,
    start: u64,
    shape: Vec<usize>,
}

impl Slices {
    /// Finds the tensor `name` of the file `path`.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Format`], and [`Error::TensorFile`] if the file has no f32 tensor
    /// of that name with at least one axis (the error lists what it holds).
    pub fn open(path: &Path, name: &str) -> Result<Self> {
        let mut file = File::open(path).map_err(|source| read_error(path, source))?;
        let (start, header) = header(path, &mut file)?;
        let Some(info) = header.info(name) else {
            let mut names = header.offset_keys();
            names.sort();
            let problem = format!("it holds no tensor `{name}`, but {}", list(&names));
            return Err(tensor_file(path, problem));
        };
        if info.dtype != Dtype::F32 || info.shape.is_empty() {
            let problem = format!(
                "`{name}` is {} of shape {:?}: it must be F32 with at least one axis",
                info.dtype, info.shape
            );
            return Err(tensor_file(path, problem));
        }
        Ok(Self {
            start: start + info.data_offsets.0 as u64,
            shape: info.shape.clone(),
            name: name.to_owned(),
            path: path.to_owned(),
            file,
        })
    }

    /// The whole tensor's shape, at least one axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Entries `first .. first + count` along the first axis, as f32 on the CPU. `first + count`
    /// may not exceed the axis.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::TensorFile`] for a value that is NaN or infinite.
    pub fn read(&mut self, first: usize, count: usize) -> Result<Tensor> {
        let one: usize = self.shape[1..].iter().product();
        let mut bytes = vec![0; count * one * F32 as usize];
        let at = self.start + (first * one) as u64 * F32;
        let mut read = |file: &mut File| -> io::Result<()> {
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut bytes)
        };
        read(&mut self.file).map_err(|source| read_error(&self.path, source))?;
        let values: Vec<f32> = bytes
            .chunks_exact(F32 as usize)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            let problem = format!(
                "`{}` holds {} in entry {}: a model can do nothing with it",
                self.name,
                values[i],
                first + i / one.max(1)
            );
            return Err(tensor_file(&self.path, problem));
        }
        let mut shape = self.shape.clone();
        shape[0] = count;
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }
}

/// Name and shape of every tensor of a safetensors file, sorted by name.
///
/// # Errors
/// [`Error::Read`] and [`Error::Format`].
pub fn shapes(path: &Path) -> Result<BTreeMap<String, Vec<usize>>> {
    let mut file = File::open(path).map_err(|source| read_error(path, source))?;
    let (_, header) = header(path, &mut file)?;
    let tensors = header.tensors().into_iter();
    Ok(tensors
        .map(|(name, info)| (name, info.shape.clone()))
        .collect())
}

/// The first names of a long list.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names.iter().take(SHOWN).map(|n| format!("`{n}`"));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        text = "nothing at all".to_owned();
    }
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}

/// A safetensors file in the making, whose f32 tensors come in slices along their first axis.
#[derive(Debug)]
pub struct SliceWriter<'a> {
    file: &'a mut File,
    path: &'a Path,
    places: BTreeMap<String, Place>,
}

#[derive(Debug)]
struct Place {
    next: u64,
    end: u64,
}

/// Writes a safetensors file of f32 tensors of these names and shapes, with `metadata` under
/// [`METADATA_KEY`]: `f` gives their values in slices, tensor after tensor or mixed. The file is
/// there when all is in it, or not at all.
///
/// # Errors
/// Those of `f`; [`Error::TensorFile`] if values are missing at the end; the file cannot be
/// written.
pub fn write_slices<E: From<FileError> + From<Error>>(
    path: &Path,
    shapes: &BTreeMap<String, Vec<usize>>,
    metadata: &serde_json::Value,
    f: impl FnOnce(&mut SliceWriter<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut at = 0;
    let mut infos = Vec::new();
    for (name, shape) in shapes {
        let bytes = shape.iter().product::<usize>() * F32 as usize;
        infos.push((
            name.clone(),
            TensorInfo {
                dtype: Dtype::F32,
                shape: shape.clone(),
                data_offsets: (at, at + bytes),
            },
        ));
        at += bytes;
    }
    let unmade = |e: String| tensor_file(path, format!("its header cannot be made: {e}"));
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), metadata.to_string())]);
    let header = Metadata::new(Some(metadata), infos.clone()).map_err(|e| unmade(e.to_string()))?;
    let mut header = serde_json::to_vec(&header).map_err(|e| unmade(e.to_string()))?;
    // Values start at a multiple of eight bytes, as the format's own writer has it.
    header.resize(header.len().next_multiple_of(8), b' ');
    let start = 8 + header.len() as u64;

    write_atomic_file(path, |file| {
        let begin = |file: &mut File| -> io::Result<()> {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            file.set_len(start + at as u64)
        };
        begin(file).map_err(|source| write_error(path, source))?;
        let places = infos.into_iter().map(|(name, info)| {
            let (from, to) = info.data_offsets;
            let place = Place {
                next: start + from as u64,
                end: start + to as u64,
            };
            (name, place)
        });
        let mut writer = SliceWriter {
            file,
            path,
            places: places.collect(),
        };
        f(&mut writer)?;
        Ok(writer.finish()?)
    })
}

impl SliceWriter<'_> {
    /// Appends entries along the first axis of the tensor `name`.
    ///
    /// # Errors
    /// There is no such tensor, or no room left in it; a write failed.
    pub fn push(&mut self, name: &str, slice: &Tensor) -> Result<()> {
        let values = slice
            .flatten_all()?
            .to_dtype(DType::F32)?
            .to_vec1::<f32>()?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let path = self.path;
        let place = self
            .places
            .get_mut(name)
            .filter(|place| place.next + bytes.len() as u64 <= place.end)
            .ok_or_else(|| {
                let dims = slice.dims();
                tensor_file(
                    path,
                    format!("there is no room for {dims:?} more of `{name}`"),
                )
            })?;
        let mut write = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(place.next))?;
            self.file.write_all(&bytes)
        };
        write().map_err(|source| write_error(path, source))?;
        place.next += bytes.len() as u64;
        Ok(())
    }

    /// Checks that nothing is missing.
    fn finish(self) -> Result<()> {
        match self
            .places
            .iter()
            .find(|(_, place)| place.next != place.end)
        {
            None => Ok(()),
            Some((name, _)) => {
                let problem = format!("`{name}` was not written to its end");
                Err(tensor_file(self.path, problem))
            }
        }
    }
}

fn tensor_file(path: &Path, problem: String) -> Error {
    Error::TensorFile {
        path: path.to_owned(),
        problem,
    }
}

fn write_error(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    FileError::Write { path, source }.into()
}
