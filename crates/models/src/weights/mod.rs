//! Weights on disk, with timm's names and shapes; and models that keep theirs as they are.
//!
//! **What is read.** A safetensors file; a PyTorch checkpoint (`.pth`, `.pt`, `.bin`), plain or with its weights
//! under `state_dict_ema`, `model_ema`, `state_dict` or `model`, in any nesting (timm's order: averaged weights
//! first); or a folder that holds one of them, as timm's and the hub's do, also in several files with a
//! `model.safetensors.index.json`. Nothing in a checkpoint is executed. Tensors are read one by one: beyond the
//! weights themselves, loading takes the memory of the largest of them twice.
//!
//! **Names** that wrappers lengthened (`module.`) and those of Microsoft's Swin files become timm's. Buffers
//! that follow from a model's sizes (`relative_position_index`, `attn_mask`) and tensors of truth values are
//! passed over.
//!
//! [`load`] takes only weights that fit. [`load_adapted`] does what timm does with a checkpoint for other images
//! or classes, and says so in [`Loaded::notes`]:
//! - `pos_embed` is resampled (bicubic with antialias; class and distillation tokens keep theirs). The old grid is
//!   that of the image size in a `config.json` beside the weights, else a square. timm does so for DeiT and refuses
//!   CaiT, for which it is done here alike.
//! - Swin's `relative_position_bias_table` is resized for another window, by timm's linear interpolation on a
//!   geometric grid. (timm has scipy's cubic one too, behind the variable TIMM_USE_SCIPY_INTERP.)
//! - `patch_embed.proj.weight` is summed over its channels for grey images, else repeated and scaled.
//! - Classifiers for another number of classes are drawn anew.
//!
//! What no rule covers, a distilled DeiT's weights in a plain one among it, stays an error.
//!
//! A file written by [`save`] carries one entry of metadata, under the key [`METADATA_KEY`]: a JSON text
//! of the caller's. (One, because the format's writer keeps them in a hash map: two would come in
//! either order, and equal weights in different files.) Equal tensors and metadata make files that
//! are equal to the bit.

mod adapt;
mod archive;
pub(crate) mod check;
mod frozen;
mod names;
mod pickle;
pub(crate) mod safetensors_file;
mod save;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use spectralkd_base::random::Stream;

pub use frozen::{frozen, into_frozen, into_frozen_bf16};
pub(crate) use save::encode;
pub use save::{METADATA_KEY, metadata, save};

use crate::{ModelConfig, Result};
use adapt::{Change, Plan};
use check::{Finite, differences, refuse};
use names::Names;
use source::Source;

/// Weights that were read, and how.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Exactly the model's parameters, f32, by timm's names.
    pub tensors: BTreeMap<String, Tensor>,
    /// One sentence for each conversion and adaptation, and for what was passed over; empty if the file had the
    /// model's parameters and nothing else.
    pub notes: Vec<String>,
    /// Parameters that were not among the weights and were drawn anew: a classifier for other classes.
    pub fresh: BTreeSet<String>,
    /// The file that was read; of weights in several files, their list.
    pub path: PathBuf,
}

/// Reads the weights of a model of these sizes from a file or folder, as f32 on `device`; files
/// of f64, f16 and bf16 are converted. No value is adapted to other sizes.
///
/// # Errors
/// - [`Error::Config`](crate::Error::Config) for sizes that no model can have;
/// - [`Error::Read`](crate::Error::Read) for a file that is missing or unreadable;
/// - [`Error::Folder`](crate::Error::Folder) for a folder without weights, or several files of which none is meant;
/// - [`Error::Format`](crate::Error::Format) for a truncated or corrupted safetensors file or one of another kind;
/// - [`Error::Archive`](crate::Error::Archive) for a PyTorch file that is broken, too old, or holds no weights;
/// - [`Error::Mismatch`](crate::Error::Mismatch) lists at once all tensors that are missing, superfluous, of another
///   shape than the model's, or of a type that holds no weights;
/// - [`Error::NotFinite`](crate::Error::NotFinite) if a value is NaN or infinite.
pub fn load(
    path: &Path,
    config: &ModelConfig,
    device: &Device,
) -> Result<BTreeMap<String, Tensor>> {
    Ok(read(path, config, None, device)?.tensors)
}

/// As [`load`], but weights of a model for other images or classes are adapted as timm does (see the
/// [module's page](self)); new classifiers are drawn from `fresh` by their names, as a new model's are.
///
/// # Errors
/// As [`load`]; [`Error::Mismatch`](crate::Error::Mismatch) lists what remains after all that can be adapted.
pub fn load_adapted(
    path: &Path,
    config: &ModelConfig,
    fresh: &Stream,
    device: &Device,
) -> Result<Loaded> {
    read(path, config, Some(fresh), device)
}

fn read(
    path: &Path,
    config: &ModelConfig,
    fresh: Option<&Stream>,
    device: &Device,
) -> Result<Loaded> {
    let expected = config.parameters()?;
    let mut source = Source::open(path)?;
    let names = Names::new(config.family(), &source.tensors);
    let mut notes = [std::mem::take(&mut source.notes), names.notes].concat();
    let mut found: BTreeMap<_, _> = (names.of_file.iter())
        .map(|(name, raw)| (name.clone(), source.tensors[raw].clone()))
        .collect();
    found.retain(|name, own| {
        let flags = own.dtype.as_ref().is_err_and(|dtype| dtype == "BOOL");
        let skip = flags && !expected.contains_key(name);
        if skip {
            notes.push(format!("skipped `{name}`, a tensor of type BOOL"));
        }
        !skip
    });

    let mut changes = BTreeMap::new();
    if fresh.is_some() {
        let plan = Plan {
            config,
            expected: &expected,
            found: &found,
            image: adapt::image_size(&source.path),
        };
        for name in expected.keys() {
            if let Some(change) = plan.change(name)? {
                changes.insert(name.clone(), change);
            }
        }
    }
    let mut fitting = found;
    for (name, change) in &changes {
        if let Some(own) = fitting.get_mut(name) {
            own.shape.clone_from(&expected[name]);
        }
        let note = change.note(config.family());
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    let origin = format!("the weights in {}", source.path.display());
    refuse(differences(&expected, &fitting), &origin, config)?;

    let is_fresh = |change: &Change| matches!(change, Change::Fresh { .. });
    let new = changes.iter().filter(|(_, change)| is_fresh(change));
    let new: BTreeSet<String> = new.map(|(name, _)| name.clone()).collect();
    let mut tensors = match fresh {
        Some(fresh) => adapt::draw(config, new.clone(), fresh)?,
        None => BTreeMap::new(),
    };
    let mut finite = Finite::default();
    for name in expected.keys() {
        if !tensors.contains_key(name) {
            let tensor = source.read(&names.of_file[name])?;
            finite.look(name, &tensor)?;
            let tensor = match changes.get(name) {
                Some(change) => change.apply(&tensor)?,
                None => tensor,
            };
            tensors.insert(name.clone(), tensor);
        }
    }
    finite.check(&origin)?;
    for tensor in tensors.values_mut() {
        *tensor = tensor.to_device(device)?;
    }
    Ok(Loaded {
        tensors,
        notes,
        fresh: new,
        path: source.path,
    })
}
