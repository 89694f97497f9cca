//! Differentiable layers for Vision Transformers with fused CPU kernels.

pub mod attention;
pub mod kernels;
pub mod params;
pub mod scalar;
pub mod tokens;

mod error;
mod gelu;
mod layer_norm;
mod linear;
mod mlp;
mod pass;
mod patch_embed;
mod residual;

pub use attention::{Attention, ClassAttention, TalkingHeadAttention};
pub use error::{Error, Result};
pub use gelu::Gelu;
pub use layer_norm::LayerNorm;
pub use linear::{LINEAR_INIT, Linear};
pub use mlp::Mlp;
pub use params::Params;
pub use pass::{Draws, Pass};
pub use patch_embed::PatchEmbed;
pub use residual::{DropPath, LayerScale, Residual};
