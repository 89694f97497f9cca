//! Differentiable layers for Vision Transformers with fused CPU kernels.

pub mod kernels;
pub mod scalar;

mod error;

pub use error::{Error, Result};
