//! DeiT, CaiT and Swin with timm's parameter names and feature taps.
//!
//! A [`ModelConfig`] holds a model's sizes; [`registry::find`] has those of timm's models by name, and a [`ModelSpec`]
//! is what a configuration file says of a model: a name, a name and some sizes, or all sizes.
//! [`ModelConfig::info`] says what such a model costs and what its taps look like, without making
//! one; [`ModelConfig::build`] makes one on whatever a `VarBuilder` holds (freshly initialised
//! variables, to train it); [`frozen`] makes one on weights that stay as they are. [`weights`]
//! reads them from safetensors files, PyTorch's checkpoints and folders of either, and adapts them
//! to other images and classes as timm does; [`export`] writes folders that timm opens;
//! [`tensor_file`] holds images and features that may be larger than memory. Names, shapes and
//! layouts of parameters are timm's, verbatim, and so are the results: golden files made with timm
//! hold logits, taps and gradients of tiny and of full-size models that the tests compare with.
//!
//! A **tap** is the residual stream after a block (DeiT; CaiT's patch blocks) or after a stage's
//! blocks (Swin), un-normed, without class and distillation token, as a feature map [B, C, H, W]:
//! what timm's `forward_intermediates` returns, asked for by its rules ([`Taps`]). The prefix tokens that are left out
//! can be asked for too ([`Wanted`]), and the logits of each head are there beside their mean ([`Output::heads`]).
//! Gradients flow through all of it, so that a loss can be put on any.
//!
//! **The same bits.** On a CPU, in f32, an image's outputs do not depend on the batch that it is in, nor on whether the
//! weights are trained or frozen, what else was asked for, or the number of threads (`tests/alone.rs`).
//!
//! **Images** have the configured size, and any size is taken that holds a patch. As in timm,
//! pixels beyond the last whole patch are not seen; Swin pads maps that are no whole number of
//! windows, or of pairs to merge, and shrinks windows to maps that are smaller.
//!
//! **First values** are timm's. Linear weights, position embeddings and Swin's bias tables are
//! N(0, 0.02), biases 0, norms 1 and 0, the patch embedding PyTorch's uniform default; the class
//! token is N(0, 1e-6) in DeiT (its distillation token N(0, 0.02)) and N(0, 0.02) in CaiT, whose
//! LayerScale starts at `init_values`. (timm truncates its normals at 2, a hundred standard
//! deviations out.) Each parameter's draws are keyed by the seed and its name.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use spectralkd_base::random::Stream;
//! use spectralkd_models::{DeitConfig, ModelConfig, Taps};
//! use spectralkd_nn::{Params, Pass};
//!
//! let config = ModelConfig::Deit(DeitConfig {
//!     img_size: [28, 28],
//!     patch_size: 4,
//!     in_chans: 1,
//!     num_classes: 10,
//!     embed_dim: 48,
//!     depth: 4,
//!     num_heads: 3,
//!     mlp_ratio: 4.0,
//!     drop_path: 0.0,
//!     distilled: false,
//! });
//! assert_eq!(config.info()?.params, 116_938);
//!
//! let params = Params::new(); // will hold the trainable variables, by timm's names
//! let vb = params.builder(&Stream::new(7, "init"), DType::F32, &Device::Cpu);
//! let model = config.build(vb)?;
//! assert!(params.vars().contains_key("blocks.3.attn.qkv.weight"));
//!
//! let images = Tensor::zeros((2, 1, 28, 28), DType::F32, &Device::Cpu)?;
//! let output = model.forward(&images, &Taps::List(vec![0, -1]), &Pass::eval())?;
//! assert_eq!(output.logits.dims(), [2, 10]);
//! let (block, map) = &output.features[1];
//! assert_eq!((*block, map.dims()), (3, &[2, 48, 7, 7][..]));
//! # Ok::<(), spectralkd_models::Error>(())
//! ```
//!
//! Modules: [`export`], [`registry`], [`tensor_file`] and [`weights`] are public. Inside, `spec` is what a file says,
//! `config` and `sizes` are the configuration as written and as checked, `parts` what models are made of, `deit`, `cait` and
//! `swin` how, `cost` counts, and `assembly` goes from a configuration to a model.

pub mod export;
pub mod registry;
pub mod tensor_file;
pub mod weights;

mod assembly;
mod cait;
mod config;
mod cost;
mod deit;
mod error;
mod model;
mod parts;
mod sizes;
mod spec;
mod swin;
mod taps;

pub use config::{CaitConfig, DeitConfig, ModelConfig, SwinConfig};
pub use error::{Error, Mismatch, Result};
pub use model::{Heads, ModelInfo, Output, VisionModel, Wanted};
pub use spec::{Defaults, ModelSpec};
pub use taps::Taps;
pub use weights::frozen;
