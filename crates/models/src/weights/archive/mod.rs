//! PyTorch's checkpoints: a zip archive of a pickle (`data.pkl`) and one file per storage (`data/0`, ...).

mod rebuild;
mod view;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use super::pickle::{Id, Pickle};
use super::source::{Container, Described};
use crate::{Error, Result};
use rebuild::tensor;
use view::View;

/// Where training scripts put the weights, in the order in which timm looks: averaged weights first.
const KEYS: [&str; 4] = ["state_dict_ema", "model_ema", "state_dict", "model"];
/// How deep such keys may be nested.
const NESTING: usize = 4;
/// The largest pickle that is read, bytes; that of CaiT-S24 has 0.1 MB.
const PICKLE_LIMIT: u64 = 64 << 20;

/// An open checkpoint.
pub(super) struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    /// The folder inside of the archive, with its slash.
    folder: String,
    tensors: BTreeMap<String, Described>,
    views: BTreeMap<String, View>,
    keys: Vec<&'static str>,
}

impl Archive {
    /// Reads the pickle of a checkpoint; no weights yet.
    pub fn open(path: &Path, file: File) -> Result<Self> {
        let bad = |problem: String| Error::Archive {
            path: path.to_owned(),
            problem,
        };
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| {
            bad(format!(
                "it is truncated or corrupted; fetch or write it again ({error})"
            ))
        })?;
        let folder = (zip.file_names())
            .filter_map(|name| Some(name.ok()?.strip_suffix("data.pkl")?.to_string()))
            .next()
            .ok_or_else(|| {
                bad("it is a zip archive without a data.pkl, so torch.save did not write it".into())
            })?;
        if zip
            .index_for_name(&format!("{folder}constants.pkl"))
            .is_some()
        {
            return Err(bad(
                "it is a TorchScript module; save its weights with torch.save(module.state_dict(), PATH)".into(),
            ));
        }
        if let Ok(order) = entry(&mut zip, &format!("{folder}byteorder"), 64)
            && order.trim_ascii() == b"big"
        {
            return Err(bad(
                "it was written on a big-endian machine; save it on another".into(),
            ));
        }
        let pickle = entry(&mut zip, &format!("{folder}data.pkl"), PICKLE_LIMIT).map_err(bad)?;
        let pickle = Pickle::read(&pickle)
            .map_err(|problem| bad(format!("its data.pkl is broken: {problem}")))?;

        let (dictionary, keys) = state_dict(&pickle);
        let (mut tensors, mut views) = (BTreeMap::new(), BTreeMap::new());
        for (name, id) in pickle.entries(dictionary) {
            if let Some((described, view)) = tensor(&pickle, id) {
                tensors.insert(name.to_string(), described);
                views.insert(name.to_string(), view);
            }
        }
        if tensors.is_empty() {
            let there: Vec<&str> = pickle.entries(dictionary).map(|(key, _)| key).collect();
            return Err(bad(format!(
                "it holds no weights by name, neither outermost nor under \"{}\", but {}; save them with \
                 torch.save(model.state_dict(), PATH)",
                KEYS.join("\", \""),
                if there.is_empty() {
                    "no dictionary".into()
                } else {
                    format!("the keys {}", there.join(", "))
                },
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            zip,
            folder,
            tensors,
            views,
            keys,
        })
    }

    /// The keys under which the weights stand, outermost first.
    pub fn keys(&self) -> &[&'static str] {
        &self.keys
    }

    fn gather(&mut self, name: &str) -> std::result::Result<Vec<u8>, String> {
        let (described, view) = self
            .tensors
            .get(name)
            .zip(self.views.get(name))
            .ok_or("it is not there")?;
        let size = described.dtype.clone()?.size_in_bytes();
        let storage = format!("{}data/{}", self.folder, view.storage);
        let bytes = entry(&mut self.zip, &storage, u64::MAX)?;
        view.gather(bytes, size, &described.shape)
            .ok_or_else(|| format!("its storage `{storage}` is too short for it"))
    }
}

impl Container for Archive {
    fn tensors(&self) -> &BTreeMap<String, Described> {
        &self.tensors
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        self.gather(name).map_err(|problem| Error::Archive {
            path: self.path.clone(),
            problem: format!("{name} cannot be read: {problem}; fetch or write the file again"),
        })
    }
}

/// All of one file in the archive, its checksum verified.
fn entry(
    zip: &mut ZipArchive<BufReader<File>>,
    name: &str,
    limit: u64,
) -> std::result::Result<Vec<u8>, String> {
    let file = zip
        .by_name(name)
        .map_err(|error| format!("`{name}` in the archive: {error}"))?;
    if file.compression() != CompressionMethod::Stored {
        return Err(format!(
            "`{name}` in the archive is compressed, which torch.save never does"
        ));
    }
    let mut bytes = Vec::new();
    let read = file.take(limit).read_to_end(&mut bytes);
    read.map_err(|error| format!("`{name}` in the archive: {error}"))?;
    if bytes.len() as u64 == limit {
        return Err(format!(
            "`{name}` in the archive is larger than {limit} bytes"
        ));
    }
    Ok(bytes)
}

/// The dictionary of weights, and the keys on the way to it.
fn state_dict(pickle: &Pickle) -> (Id, Vec<&'static str>) {
    let (mut id, mut keys) = (pickle.root(), Vec::new());
    while keys.len() < NESTING {
        let inner = KEYS.iter().find_map(|&key| {
            let (_, value) = pickle.entries(id).find(|&(own, _)| own == key)?;
            pickle.entries(value).next().map(|_| (key, value))
        });
        let Some((key, value)) = inner else { break };
        (id, _) = (value, keys.push(key));
    }
    (id, keys)
}
