//! Differentiable layers for Vision Transformers with fused CPU kernels.
//!
//! Every layer is built by `new(sizes..., vb)` from a `candle_nn::VarBuilder` or a [`Builder`], with
//! timm's parameter names below it, and computes with `forward` in one of two forms ([`Form`]),
//! chosen when it is built: hand-written kernels, forward and backward ([`kernels`]: rayon, vector
//! code chosen at run time), for f32 on a CPU; candle's own differentiable operations for every other
//! device and type. The tests hold the two to each other: in f64 the composed form is the reference of
//! the kernels, checked by finite differences.
//!
//! - [`Linear`], [`LayerNorm`], [`gelu()`], [`Mlp`], [`PatchEmbed`], [`PatchMerging`];
//! - [`attention`]: softmax attention, talking heads, class attention, shifted windows;
//! - [`Residual`]: a branch around a [`Sublayer`], or the end of one, with [`LayerScale`] and
//!   [`DropPath`];
//! - [`tokens`]: class token and positions in, feature maps and means out;
//! - [`Params`] makes trainable parameters from a seed, [`params::frozen`] serves loaded
//!   ones, [`params::frozen_bf16`] some of them as bf16; [`Pass`] tells a forward pass whether it trains, and with which random draws.
//!
//! Results are the same to the bit for every number of threads. Where speed matters, run
//! the loop inside `rayon::ThreadPool::install`, set an allocator that keeps freed memory
//! (mimalloc with `MIMALLOC_PURGE_DELAY=-1`, say) in the program, and set `CANDLE_NUM_THREADS=1` in its environment:
//! candle 0.11 runs large element-wise operations, among them the additions of gradients,
//! on a second pool of its own, whose spinning barriers cost milliseconds where cores are
//! shared (with rayon's workers, too).
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use spectralkd_base::random::Stream;
//! use spectralkd_nn::{DropPath, Form, LayerNorm, Mlp, Params, Pass, Residual};
//!
//! // Half a transformer block: x + drop_path(mlp(norm(x))).
//! let params = Params::new();
//! let vb = params.builder(&Stream::new(7, "init"), DType::F32, &Device::Cpu);
//! let norm = LayerNorm::new(48, 1e-6, vb.pp("norm2"))?;
//! let mlp = Mlp::new(48, 192, vb.pp("mlp"))?;
//! let residual = Residual::new(None, DropPath::new(0.1, "blocks.0.mlp")?, Form::Kernels);
//!
//! let step = Stream::new(7, "drop path").at(0);
//! let pass = Pass::train(&step, &[3, 14]); // the samples that make up the batch
//! let x = Tensor::ones((2, 50, 48), DType::F32, &Device::Cpu)?;
//! let y = residual.branch(&x, &norm, &mlp, &pass)?;
//!
//! let gradients = y.sqr()?.mean_all()?.backward()?;
//! for (name, var) in params.vars() {
//!     assert!(gradients.get(&var).is_some(), "{name} has no gradient");
//! }
//! # Ok::<(), spectralkd_nn::Error>(())
//! ```

pub mod attention;
pub mod kernels;
pub mod params;
pub mod tokens;

mod bf16;
mod branch;
mod builder;
mod chain;
mod drop_path;
mod error;
mod gelu;
mod layer_norm;
mod linear;
mod mlp;
mod pass;
mod patch_embed;
mod patch_merging;
mod residual;

pub use attention::{Attention, ClassAttention, TalkingHeadAttention, WindowAttention, Windows};
pub use branch::{Operations, Sublayer};
pub use builder::{Builder, Form};
pub use drop_path::DropPath;
pub use error::{Error, Result};
pub use gelu::gelu;
pub use layer_norm::LayerNorm;
pub use linear::{LINEAR_INIT, Linear};
pub use mlp::Mlp;
pub use params::Params;
pub use pass::{Draws, Pass};
pub use patch_embed::PatchEmbed;
pub use patch_merging::PatchMerging;
pub use residual::{LayerScale, Residual};
