//! Agreement of pooling and resizing with their definitions.

use std::fmt::Display;

use candle_core::Tensor;

use super::numbers::{along, flat, same, tolerance};
use super::{Numbers, TestCaseError, TestCaseResult, ran};
use crate::oracle;

/// Adaptive average pooling of each of `axes` into so many bins, PyTorch's
/// ([`oracle::adaptive_avg_pool`]).
///
/// # Errors
/// A failure if values or shape differ, or if the op fails.
pub fn pooling<O: Numbers, E: Display>(
    x: &Tensor,
    axes: &[usize],
    outputs: &[usize],
    op: impl Fn(&Tensor) -> Result<O, E>,
) -> TestCaseResult {
    by_axis("pooling", x, axes, outputs, oracle::adaptive_avg_pool, op)
}

/// Resizing of each of `axes` in the spectral domain ([`oracle::resize`]).
///
/// # Errors
/// A failure if values or shape differ, or if the op fails.
pub fn resizing<O: Numbers, E: Display>(
    x: &Tensor,
    axes: &[usize],
    outputs: &[usize],
    op: impl Fn(&Tensor) -> Result<O, E>,
) -> TestCaseResult {
    by_axis("resizing", x, axes, outputs, oracle::resize, op)
}

fn by_axis<O: Numbers, E: Display>(
    property: &str,
    x: &Tensor,
    axes: &[usize],
    outputs: &[usize],
    definition: impl Fn(&[f64], usize) -> Vec<f64>,
    op: impl Fn(&Tensor) -> Result<O, E>,
) -> TestCaseResult {
    let usable =
        |(&axis, &size): (&usize, &usize)| x.dims().get(axis).is_some_and(|&n| n > 0) && size > 0;
    if axes.len() != outputs.len() || !axes.iter().zip(outputs).all(usable) {
        return Err(TestCaseError::fail(format!(
            "{property}: cannot take axes {axes:?} of {:?} to {outputs:?}",
            x.dims()
        )));
    }
    let mut expected = (flat(x)?, x.dims().to_vec());
    for (&axis, &size) in axes.iter().zip(outputs) {
        expected = along(expected, axis, |line| definition(line, size));
    }
    let got = ran(property, op(x))?;
    same(
        property,
        got.numbers(),
        &expected.1,
        &expected.0,
        tolerance(x.dtype()),
    )
}
