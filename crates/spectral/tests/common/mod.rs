//! What the integration tests of this crate share beside `spectralkd-testing`.
#![allow(dead_code)] // every test binary uses its own part of it

use candle_core::{Result, Tensor};
use spectralkd_testing::{flat, value_and_gradient};

pub fn dot(a: &Tensor, b: &Tensor) -> f64 {
    flat(a).iter().zip(flat(b)).map(|(a, b)| a * b).sum()
}

/// The gradient of a scalar function by candle's backward pass.
pub fn gradient(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Tensor {
    value_and_gradient(x, f).1
}
