//! Differentiable layers for Vision Transformers with fused CPU kernels.

pub mod attention;
pub mod kernels;
pub mod params;
pub mod scalar;

mod error;
mod gelu;
mod layer_norm;
mod linear;
mod pass;

pub use attention::{Attention, ClassAttention, TalkingHeadAttention};
pub use error::{Error, Result};
pub use gelu::Gelu;
pub use layer_norm::LayerNorm;
pub use linear::{LINEAR_INIT, Linear};
pub use params::Params;
pub use pass::{Draws, Pass};
