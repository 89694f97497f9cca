//! Where weights are read from: a file of either kind, or a folder that holds one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use super::archive::Archive;
use super::safetensors_file::{SafetensorsFile, read_error};
use crate::{Error, Result};

/// The types of weights in files.
pub(super) const STORED: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];

/// What a folder's weights are called, by preference, which is timm's.
const NAMES: [&str; 5] = [
    "model.safetensors",
    INDEX,
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
];
/// The list of the parts of a model in several files.
const INDEX: &str = "model.safetensors.index.json";
/// Otherwise the only file of one of these kinds, by preference.
const ENDINGS: [&str; 5] = [".safetensors", ".pth", ".pth.tar", ".pt", ".bin"];
/// How PyTorch's files began before they were zip archives: a pickled number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19";

/// A tensor in a file.
#[derive(Clone)]
pub(super) struct Described {
    pub shape: Vec<usize>,
    /// Its type and, as an error, the name of one that holds no weights.
    pub dtype: std::result::Result<DType, String>,
}

/// An open file of tensors.
pub(super) trait Container {
    /// What is in it.
    fn tensors(&self) -> &BTreeMap<String, Described>;
    /// The values of a tensor, in row-major order.
    fn bytes(&mut self, name: &str) -> Result<Vec<u8>>;
}

/// All tensors at a path. They are read one by one, so that what is not asked for costs no memory.
pub(super) struct Source {
    /// The file read, or the list of files.
    pub path: PathBuf,
    /// What is in it, in the file's own names.
    pub tensors: BTreeMap<String, Described>,
    /// What was remarkable.
    pub notes: Vec<String>,
    files: Vec<Box<dyn Container>>,
    place: BTreeMap<String, usize>,
}

impl Source {
    /// Opens a file or a folder.
    pub fn open(path: &Path) -> Result<Self> {
        let path = if path.is_dir() {
            in_folder(path)?
        } else {
            path.to_owned()
        };
        let mut source = Self {
            tensors: BTreeMap::new(),
            notes: Vec::new(),
            files: Vec::new(),
            place: BTreeMap::new(),
            path,
        };
        if source.path.file_name().is_some_and(|name| name == INDEX) {
            for shard in shards(&source.path)? {
                source.add(&shard)?;
            }
        } else {
            source.add(&source.path.clone())?;
        }
        Ok(source)
    }

    /// The tensor `name`, as f32 in main memory.
    pub fn read(&mut self, name: &str) -> Result<Tensor> {
        let (Some(described), Some(&file)) = (self.tensors.get(name), self.place.get(name)) else {
            return Err(candle_core::Error::CannotFindTensor { path: name.into() }.into());
        };
        let dtype = described.dtype.clone().map_err(candle_core::Error::Msg)?;
        let bytes = self.files[file].bytes(name)?;
        let tensor = Tensor::from_raw_buffer(&bytes, dtype, &described.shape, &Device::Cpu)?;
        Ok(tensor.to_dtype(DType::F32)?)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let unreadable = |source| read_error(path, source);
        let mut file = File::open(path).map_err(unreadable)?;
        let mut first = Vec::new();
        (&mut file)
            .take(LEGACY.len() as u64)
            .read_to_end(&mut first)
            .map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;

        let container: Box<dyn Container> = if first.starts_with(b"PK\x03\x04") {
            let archive = Archive::open(path, file)?;
            if !archive.keys().is_empty() {
                let keys = archive.keys().join("`, `");
                self.notes.push(format!("took the weights under `{keys}`"));
            }
            Box::new(archive)
        } else if first.starts_with(b"\x80") && first.get(8) != Some(&b'{') {
            // (A safetensors file begins with a length, which may be any byte, and then has a brace.)
            return Err(Error::Archive {
                path: path.to_owned(),
                problem: if first == LEGACY {
                    "it has the format of PyTorch before 1.6; convert it with a newer one: \
                     torch.save(torch.load(OLD, map_location=\"cpu\"), NEW)"
                } else {
                    "it is a bare pickle, which torch.save does not write; save the weights with \
                     torch.save(model.state_dict(), PATH)"
                }
                .into(),
            });
        } else {
            Box::new(SafetensorsFile::open(path, file)?)
        };
        for (name, described) in container.tensors() {
            self.tensors.insert(name.clone(), described.clone());
            self.place.insert(name.clone(), self.files.len());
        }
        self.files.push(container);
        Ok(())
    }
}

/// The file of weights in a folder.
fn in_folder(folder: &Path) -> Result<PathBuf> {
    let unreadable = |source| read_error(folder, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // Through links: the hub's cache is made of them.
        let slash = if entry.path().is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    if let Some(name) = NAMES
        .iter()
        .find(|&&own| names.iter().any(|name| name == own))
    {
        return Ok(folder.join(name));
    }
    let problem = |what: &str| Error::Folder {
        path: folder.to_owned(),
        problem: match names.as_slice() {
            [] => "it is empty".to_string(),
            names => format!("{what}; it holds {}", names.join(", ")),
        },
    };
    for ending in ENDINGS {
        let mut of_kind = names.iter().filter(|name| name.ends_with(ending));
        match (of_kind.next(), of_kind.next()) {
            (Some(name), None) => return Ok(folder.join(name)),
            (Some(_), Some(_)) => {
                return Err(problem(&format!(
                    "there are several *{ending} files, and none is called {}: name the file",
                    NAMES[0]
                )));
            }
            (None, _) => {}
        }
    }
    Err(problem(&format!(
        "there is no {} and no other *{} file",
        NAMES[0],
        ENDINGS.join(", *")
    )))
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that an index names, each once.
fn shards(index: &Path) -> Result<Vec<PathBuf>> {
    let bad = |problem: String| Error::Folder {
        path: index.to_owned(),
        problem,
    };
    let text = fs::read(index).map_err(|source| read_error(index, source))?;
    let read: Index = serde_json::from_slice(&text).map_err(|error| {
        bad(format!(
            "the list of files is broken ({error}); fetch it again"
        ))
    })?;
    let mut names: Vec<String> = read.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    if let Some(name) = names
        .iter()
        .find(|name| Path::new(name).file_name() != Some(name.as_ref()))
    {
        return Err(bad(format!("it names {name}, which is no file beside it")));
    }
    Ok(names
        .iter()
        .map(|name| index.with_file_name(name))
        .collect())
}
