//! The twin of [`crate::kernels::mlp`]: the twins of its parts, one after the other.

use super::{Real, gelu, linear};
use crate::kernels::linear::Sizes;

/// The parameters: w1 [H, C], b1 `[H]`, w2 [C, H], b2 `[C]`.
#[derive(Clone, Copy)]
pub struct Parameters<'a, T> {
    /// w1 and b1.
    pub first: (&'a [T], &'a [T]),
    /// w2 and b2.
    pub second: (&'a [T], &'a [T]),
}

impl<T> Parameters<'_, T> {
    fn sizes(&self, count: usize) -> (Sizes, Sizes) {
        let (inputs, outputs) = (self.second.1.len(), self.first.1.len());
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
    let ((w1, b1), (w2, b2)) = (parameters.first, parameters.second);
    let a = gelu::forward(&linear::forward(first, x, w1, Some(b1)));
    linear::forward(second, &a, w2, Some(b2))
}

/// (dx, then dw1, db1, dw2, db2 in one vector).
pub fn backward<T: Real>(parameters: Parameters<'_, T>, x: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
    let (first, second) = parameters.sizes(x.len());
    let ((w1, b1), (w2, _)) = (parameters.first, parameters.second);
    let h = linear::forward(first, x, w1, Some(b1));
    let (da, second_sums) = linear::backward(second, &gelu::forward(&h), w2, dy);
    let (dx, mut sums) = linear::backward(first, x, w1, &gelu::backward(&h, &da));
    sums.extend(second_sums);
    (dx, sums)
}
