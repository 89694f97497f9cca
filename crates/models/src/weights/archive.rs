//! PyTorch's checkpoints: a zip archive of a pickle (`data.pkl`) and one file per storage (`data/0`, ...).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use candle_core::DType;
use zip::{CompressionMethod, ZipArchive};

use super::pickle::{Id, Pickle, Value};
use super::source::{Container, Described};
use crate::{Error, Result};

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

/// Which values of a storage make up a tensor; sizes and strides count values.
struct View {
    storage: String,
    offset: usize,
    strides: Vec<usize>,
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
        strided(bytes, size, &described.shape, view)
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

/// A tensor as torch's `_rebuild_*` functions describe it; `None` for any other object.
fn tensor(pickle: &Pickle, id: Id) -> Option<(Described, View)> {
    let (mut function, mut arguments) = call(pickle, id)?;
    match function {
        // (data, requires_grad, hooks)
        "_rebuild_parameter" | "_rebuild_parameter_with_state" => {
            (function, arguments) = call(pickle, *arguments.first()?)?;
        }
        // (function, type, arguments, state)
        "_rebuild_from_type_v2" => {
            function = global(pickle, *arguments.first()?)?;
            arguments = pickle.tuple(*arguments.get(2)?)?;
        }
        _ => {}
    }
    // (storage, offset, shape, strides, ...)
    let (true, &[storage, offset, shape, strides, ..]) = (
        matches!(function, "_rebuild_tensor_v2" | "_rebuild_tensor"),
        arguments,
    ) else {
        return None;
    };
    // ("storage", class, key, device, number of values)
    let Value::Persistent(storage) = *pickle.get(storage) else {
        return None;
    };
    let &[_, class, key, ..] = pickle.tuple(storage)? else {
        return None;
    };
    let described = Described {
        shape: sizes(pickle, shape)?,
        dtype: dtype(global(pickle, class)?),
    };
    let view = View {
        storage: pickle.text(key)?.to_string(),
        offset: size(pickle, offset)?,
        strides: sizes(pickle, strides)?,
    };
    (described.shape.len() == view.strides.len()).then_some((described, view))
}

/// The name of the function called and its arguments.
fn call(pickle: &Pickle, id: Id) -> Option<(&str, &[Id])> {
    let Value::Call(function, arguments) = *pickle.get(id) else {
        return None;
    };
    Some((global(pickle, function)?, pickle.tuple(arguments)?))
}

/// The name of a class or function of PyTorch's.
fn global(pickle: &Pickle, id: Id) -> Option<&str> {
    match pickle.get(id) {
        Value::Global(module, name) if module.starts_with("torch") => Some(name),
        _ => None,
    }
}

fn size(pickle: &Pickle, id: Id) -> Option<usize> {
    match pickle.get(id) {
        Value::Int(size) => usize::try_from(*size).ok(),
        _ => None,
    }
}

fn sizes(pickle: &Pickle, id: Id) -> Option<Vec<usize>> {
    pickle
        .tuple(id)?
        .iter()
        .map(|&id| size(pickle, id))
        .collect()
}

/// The type of a storage's values; as an error the name of one that holds no weights.
fn dtype(class: &str) -> std::result::Result<DType, String> {
    match class {
        "FloatStorage" => Ok(DType::F32),
        "DoubleStorage" => Ok(DType::F64),
        "HalfStorage" => Ok(DType::F16),
        "BFloat16Storage" => Ok(DType::BF16),
        "BoolStorage" => Err("BOOL".into()),
        "LongStorage" => Err("I64".into()),
        "IntStorage" => Err("I32".into()),
        "ByteStorage" => Err("U8".into()),
        other => Err(other.into()),
    }
}

/// The values of a view in row-major order; `None` if it reaches beyond its storage or has more values than it.
fn strided(bytes: Vec<u8>, size: usize, shape: &[usize], view: &View) -> Option<Vec<u8>> {
    let count = (shape.iter()).try_fold(1usize, |product, &n| product.checked_mul(n))?;
    if count == 0 {
        return Some(Vec::new());
    }
    let last = (shape.iter().zip(&view.strides)).try_fold(view.offset, |sum, (&n, &stride)| {
        sum.checked_add((n - 1).checked_mul(stride)?)
    })?;
    let held = bytes.len() / size;
    if last >= held || count > held {
        return None;
    }
    let mut step = 1;
    let contiguous = shape.iter().zip(&view.strides).rev().all(|(&n, &stride)| {
        let fits = n == 1 || stride == step;
        step *= n;
        fits
    });
    if contiguous {
        let range = view.offset * size..(view.offset + count) * size;
        return Some(if range == (0..bytes.len()) {
            bytes
        } else {
            bytes[range].to_vec()
        });
    }
    let mut gathered = Vec::with_capacity(count * size);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let at = index
            .iter()
            .zip(&view.strides)
            .map(|(i, stride)| i * stride)
            .sum::<usize>();
        let start = (view.offset + at) * size;
        gathered.extend_from_slice(&bytes[start..start + size]);
        for (i, &n) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < n {
                break;
            }
            *i = 0;
        }
    }
    Some(gathered)
}
