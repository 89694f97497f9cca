//! The spectral lens: any model by its name, on any images, and what its layers hold.
//!
//! - [`LoadedModel`]: a model by timm's name (or an exported folder) with its weights, frozen;
//! - [`ModelImages`]: tensors or folders of pictures, batch by batch, as the model takes them;
//! - [`features`]: logits and feature maps into a safetensors file, which [`FeatureFile`] reads again;
//! - [`evaluate()`]: accuracy on labelled images;
//! - [`FeatureSource`] and [`FeatureReader`]: features of a model on images, or of a file from anywhere;
//! - [`analyze`](mod@analyze): the spectra of models, with the controls that tell a finding from an artefact;
//! - [`compare`](mod@compare): all pairs of layers of two models.
//!
//! Memory does not grow with the number of images: they are read, and results written, one batch at a time.
//! Quantities and formulas are explained in docs/SPECTRAL.md; `spectralkd-evaluation` computes them.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use spectralkd_base::progress::Silent;
//! use spectralkd_lens::{LoadedModel, ModelRequest, evaluate};
//!
//! let request = ModelRequest {
//!     model: Some("deit_tiny_patch16_224".into()),
//!     ..ModelRequest::default()
//! };
//! let loaded = LoadedModel::load(&request, &Silent)?;
//! let found = evaluate(&loaded, Path::new("imagenet/val"), None, 16, &Silent)?;
//! assert!(found.top1 > 70.0);
//! # Ok::<(), spectralkd_lens::Error>(())
//! ```
#![deny(missing_docs)]

pub mod analyze;
pub mod compare;
pub mod error;
pub mod features;

mod evaluate;
mod feature_file;
mod feature_reader;
mod feature_source;
mod images;
mod loaded_model;
mod options;
mod output_folder;
mod stored_features;

pub use error::{Error, Result};
pub use evaluate::{Evaluation, evaluate};
pub use feature_file::FeatureFile;
pub use feature_reader::FeatureReader;
pub use feature_source::{FeatureSource, FeaturesFrom};
pub use images::{ImagesFrom, ModelImages};
pub use loaded_model::{LoadedModel, ModelRequest, Sizes};
pub use options::Options;
