//! safetensors files, read tensor by tensor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::DType;
use safetensors::SafeTensorError;
use safetensors::tensor::Metadata;

use super::source::{Container, Described, STORED};
use crate::{Error, Result};

/// The longest header that the format allows, bytes.
const HEADER_LIMIT: u64 = 100_000_000;

/// An open file.
pub(super) struct SafetensorsFile {
    path: PathBuf,
    file: File,
    tensors: BTreeMap<String, Described>,
    /// First byte and length of each tensor.
    places: BTreeMap<String, (u64, usize)>,
}

impl SafetensorsFile {
    /// Reads and checks the header.
    pub fn open(path: &Path, mut file: File) -> Result<Self> {
        let (start, header) = header(path, &mut file)?;
        let (mut tensors, mut places) = (BTreeMap::new(), BTreeMap::new());
        for (name, info) in header.tensors() {
            let usable = DType::try_from(info.dtype)
                .ok()
                .filter(|dtype| STORED.contains(dtype));
            let described = Described {
                shape: info.shape.clone(),
                dtype: usable.ok_or_else(|| info.dtype.to_string()),
            };
            let (first, end) = info.data_offsets;
            places.insert(name.clone(), (start + first as u64, end - first));
            tensors.insert(name, described);
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            tensors,
            places,
        })
    }
}

impl Container for SafetensorsFile {
    fn tensors(&self) -> &BTreeMap<String, Described> {
        &self.tensors
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        let (start, length) = self.places.get(name).copied().unwrap_or_default();
        let mut bytes = vec![0; length];
        self.file
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| read_error(&self.path, source))?;
        Ok(bytes)
    }
}

/// Where the tensors' bytes begin, and the header, checked against itself and the file's length.
pub(crate) fn header(path: &Path, file: &mut File) -> Result<(u64, Metadata)> {
    let unreadable = |source| read_error(path, source);
    let length = file.metadata().map_err(unreadable)?.len();
    let mut first = Vec::new();
    file.take(64).read_to_end(&mut first).map_err(unreadable)?;
    let bad = |error: SafeTensorError| format_error(path, &first, length, &error);

    let Some(size) = first.first_chunk::<8>().copied() else {
        return Err(bad(SafeTensorError::HeaderTooSmall));
    };
    let size = u64::from_le_bytes(size);
    if size > HEADER_LIMIT {
        return Err(bad(SafeTensorError::HeaderTooLarge));
    }
    let start = 8 + size;
    if start > length {
        return Err(bad(SafeTensorError::InvalidHeaderLength));
    }
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(8)).map_err(unreadable)?;
    file.take(size).read_to_end(&mut text).map_err(unreadable)?;
    let text =
        std::str::from_utf8(&text).map_err(|error| bad(SafeTensorError::InvalidHeader(error)))?;
    let header: Metadata = serde_json::from_str(text)
        .map_err(|error| bad(SafeTensorError::InvalidHeaderDeserialization(error)))?;

    // Its constructor checks shapes against offsets; reading does not.
    let mut tensors: Vec<_> = (header.tensors().into_iter())
        .map(|(name, info)| (name, info.clone()))
        .collect();
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let end = tensors.last().map_or(0, |(_, info)| info.data_offsets.1);
    let header = Metadata::new(header.metadata().clone(), tensors).map_err(bad)?;
    if (end as u64).checked_add(start) != Some(length) {
        return Err(bad(SafeTensorError::MetadataIncompleteBuffer));
    }
    Ok((start, header))
}

pub(crate) fn read_error(path: &Path, source: std::io::Error) -> Error {
    Error::Read {
        path: path.to_owned(),
        source,
    }
}

/// Says what a reader of the format only hints at. `first` are the file's first bytes.
fn format_error(path: &Path, first: &[u8], length: u64, error: &SafeTensorError) -> Error {
    let likely = match error {
        SafeTensorError::MetadataIncompleteBuffer => {
            "it is truncated, or has bytes after its end; fetch or write it again"
        }
        _ if first.starts_with(b"version https://git-lfs") => {
            "it is a Git LFS pointer, not the file that it points to; run `git lfs pull`"
        }
        _ => "it is another kind of file or a corrupted one; fetch or write it again",
    };
    Error::Format {
        path: path.to_owned(),
        problem: format!("{likely} ({error}; {length} bytes)"),
    }
}
