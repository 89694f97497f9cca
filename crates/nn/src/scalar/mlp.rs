//! The twin of [`crate::kernels::mlp`]: the twins of its parts, one after the other.

use super::{Real, gelu, linear};
use crate::kernels::linear::Sizes;

/// The parameters: w1 [H, C] followed by b1 `[H]`, and w2 [C, H] followed by b2 `[C]`.
#[derive(Clone, Copy)]
pub struct Parameters<'a, T> {
    /// w1 followed by b1.
    pub first: &'a [T],
    /// w2 followed by b2.
    pub second: &'a [T],
    /// C.
    pub channels: usize,
    /// H.
    pub hidden: usize,
}

impl<T> Parameters<'_, T> {
    fn sizes(&self, count: usize) -> (Sizes, Sizes) {
        let (inputs, outputs) = (self.channels, self.hidden);
        let rows = count / inputs;
        (
            Sizes {
                rows,
                inputs,
                outputs,
            },
            Sizes {
                rows,
                inputs: outputs,
                outputs: inputs,
            },
        )
    }
}

/// y of x.
pub fn forward<T: Real>(parameters: Parameters<'_, T>, x: &[T]) -> Vec<T> {
    let (first, second) = parameters.sizes(x.len());
    let weights = parameters.channels * parameters.hidden;
    let (w1, b1) = parameters.first.split_at(weights);
    let (w2, b2) = parameters.second.split_at(weights);
    let a = gelu::forward(&linear::forward(first, x, w1, Some(b1)));
    linear::forward(second, &a, w2, Some(b2))
}

/// (dx, then dw1, db1, dw2, db2 in one vector).
pub fn backward<T: Real>(parameters: Parameters<'_, T>, x: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
    let (first, second) = parameters.sizes(x.len());
    let weights = parameters.channels * parameters.hidden;
    let (w1, b1) = parameters.first.split_at(weights);
    let h = linear::forward(first, x, w1, Some(b1));
    let (da, second_sums) = linear::backward(
        second,
        &gelu::forward(&h),
        &parameters.second[..weights],
        dy,
    );
    let (dx, mut sums) = linear::backward(first, x, w1, &gelu::backward(&h, &da));
    sums.extend(second_sums);
    (dx, sums)
}
