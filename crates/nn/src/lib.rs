//! Differentiable layers for Vision Transformers with fused CPU kernels.

pub mod kernels;
pub mod params;
pub mod scalar;

mod error;
mod pass;

pub use error::{Error, Result};
pub use params::Params;
pub use pass::{Draws, Pass};
