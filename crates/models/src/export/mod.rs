//! Models in timm's layout: folders that `timm.create_model("local-dir:PATH", pretrained=True)` opens, and that can
//! be uploaded to the hub as they are.
//!
//! A folder holds `model.safetensors` (timm's names and shapes, metadata `format` = `pt`), `config.json`
//! (architecture, sizes, preprocessing) and `README.md`, a model card. timm knows models by the names of
//! its entrypoints: `config.json` names the nearest one of the family and gives all sizes in `model_args`, which
//! override the entrypoint's, so that a model of any size is opened.
//!
//! ```
//! use candle_core::{DType, Device};
//! use spectralkd_base::random::Stream;
//! use spectralkd_models::{export, registry, weights};
//! use spectralkd_nn::Params;
//!
//! let entry = registry::find("deit_tiny_patch16_224")?;
//! let config = entry.config.with_img_size([32, 32]).with_num_classes(10);
//! let params = Params::new();
//! config.build(params.builder(&Stream::new(7, "init"), DType::F32, &Device::Cpu))?;
//!
//! # let place = tempfile::tempdir()?;
//! let folder = place.path().join("deit-tiny-32");
//! export::folder(&folder, &export::Exported {
//!     config: &config,
//!     weights: &params.tensors(),
//!     preprocessing: &entry.preprocessing.into(),
//!     tag: None,
//!     label_names: None,
//!     label_descriptions: None,
//!     card: export::Card {
//!         title: "DeiT-Tiny at 32 x 32",
//!         summary: "An untrained model.",
//!         training: "It was not trained.",
//!         results: "None.",
//!         license: None,
//!     },
//! })?;
//!
//! let read = export::read_config(&folder)?;
//! assert_eq!(read.architecture, "deit_tiny_patch16_224");
//! assert_eq!(read.model, Some(config.clone()));
//! weights::load(&folder, &config, &Device::Cpu)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod card;
mod config_json;
mod labels;
mod place;
mod preprocessing;
mod read;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use spectralkd_base::files::write_atomic;

pub use card::Card;
pub use preprocessing::Preprocessing;
pub use read::{Described, read_config};

use crate::weights::{check, encode};
use crate::{ModelConfig, Result};
use place::Place;

/// The weights' file.
const WEIGHTS: &str = "model.safetensors";
/// The description's file.
const CONFIG: &str = "config.json";
/// The model card's file.
const README: &str = "README.md";
/// All files of an export.
const FILES: [&str; 3] = [CONFIG, README, WEIGHTS];
/// The key of `config.json` that marks a folder as an export of this crate.
const GENERATOR: &str = "generator";

/// A model to export.
#[derive(Clone, Copy, Debug)]
pub struct Exported<'a> {
    /// Its sizes. The drop-path probability, which matters in training alone, is not exported.
    pub config: &'a ModelConfig,
    /// Exactly its parameters, by timm's names, of any type of float; they are stored as they are.
    pub weights: &'a BTreeMap<String, Tensor>,
    /// How a picture becomes its input.
    pub preprocessing: &'a Preprocessing,
    /// A short name of these weights, the `tag` of timm's `pretrained_cfg`.
    pub tag: Option<&'a str>,
    /// The names of its classes, in order.
    pub label_names: Option<&'a [String]>,
    /// What each of the names stands for, where that is more than the name.
    pub label_descriptions: Option<&'a [String]>,
    /// The texts of its model card.
    pub card: Card<'a>,
}

/// Writes a model to the folder `dir`, which appears whole or not at all, its parents with it. An empty folder and an
/// earlier export (with nothing but its three files) are replaced; any other folder is left as it is.
///
/// # Errors
/// - [`Error::Config`](crate::Error::Config) for sizes that no model can have, preprocessing that does not belong to
///   its channels, another number of class names than classes, or descriptions of other names;
/// - [`Error::Mismatch`](crate::Error::Mismatch) and [`Error::NotFinite`](crate::Error::NotFinite) as
///   [`frozen`](crate::frozen);
/// - [`Error::Occupied`](crate::Error::Occupied) if something else stands in `dir`;
/// - [`Error::Encode`](crate::Error::Encode), [`Error::Write`](crate::Error::Write) and
///   [`Error::Folder`](crate::Error::Folder) if writing fails.
pub fn folder(dir: &Path, model: &Exported<'_>) -> Result<()> {
    let stored = [DType::F32, DType::F64, DType::F16, DType::BF16];
    check::tensors(model.config, model.weights, |dtype| stored.contains(&dtype))?;
    let description = config_json::describe(model)?;
    let card = card::render(model, &description)?;
    let text = format!("{:#}\n", serde_json::Value::Object(description));

    let place = Place::beside(dir)?;
    let weights = place.file(WEIGHTS);
    write_atomic(&weights, &encode(&weights, model.weights, "format", "pt")?)?;
    write_atomic(&place.file(CONFIG), text.as_bytes())?;
    write_atomic(&place.file(README), card.as_bytes())?;
    place.publish()
}
