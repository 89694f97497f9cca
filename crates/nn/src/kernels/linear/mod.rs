//! The linear map y = x w^T + b of rows x [M, K], with w [N, K] and b `[N]`.
//!
//! Forward runs over even pieces of rows, which start as copies of b. Backward
//! ([`backward()`]): dx = dy w, dw = dy^T x, db = sum over rows of dy.

mod backward;
pub mod sums;
mod weight;

use std::mem::MaybeUninit;

use super::matmul::{View, product, product_add};
use super::parallel::{self, even_rows};
use super::storage::{copy, filled, written};

pub use backward::{Wanted, backward};
pub use weight::{Transposed, Weight, WeightNumbers};

/// Rows of a forward piece, about: enough to pay for packing w anew.
const FORWARD_ROWS: usize = 400;

/// The sizes M, K, N.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Rows of x.
    pub rows: usize,
    /// Numbers in a row of x.
    pub inputs: usize,
    /// Numbers in a row of y.
    pub outputs: usize,
}

impl Sizes {
    /// The work of one product, in the units of [`parallel`].
    pub fn work(&self) -> usize {
        self.rows * self.inputs * self.outputs / 8
    }
}

/// y for some rows; all of `y` is written. `x` holds at least as many rows as `y`.
pub fn rows<'a>(
    weight: &Transposed<'_>,
    x: &[f32],
    bias: Option<&[f32]>,
    y: &'a mut [MaybeUninit<f32>],
) -> &'a mut [f32] {
    let outputs = weight.outputs;
    let x = View::new(x, y.len() / outputs, weight.inputs);
    let weight = weight.view();
    match bias {
        None => product(y, outputs, 1.0, x, weight),
        Some(bias) => {
            for row in y.chunks_exact_mut(outputs) {
                copy(bias, row);
            }
            // SAFETY: the loop has written all of `y`, which is whole rows.
            product_add(unsafe { written(y) }, outputs, 1.0, x, weight);
        }
    }
    // SAFETY: the product covers all rows and columns; with a bias, so does the loop.
    unsafe { written(y) }
}

/// y [M, N]. Panics if a slice does not have its length.
pub fn forward<'a>(
    sizes: Sizes,
    x: &[f32],
    weight: impl Into<Weight<'a>>,
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let Sizes {
        rows: count,
        inputs,
        outputs,
    } = sizes;
    let weight = weight.into();
    check(sizes, x, weight);
    assert!(bias.is_none_or(|b| b.len() == outputs));
    let transposed = Transposed::new(sizes, weight);
    let piece = even_rows(count, FORWARD_ROWS);
    let fill = |i: usize, y: &mut [MaybeUninit<f32>]| {
        rows(&transposed, &x[i * piece * inputs..], bias, y);
    };
    let fill_all = |y: &mut [MaybeUninit<f32>]| {
        parallel::chunks(y, piece * outputs, sizes.work(), fill);
    };
    // SAFETY: the pieces are whole rows and cover y, and `rows` writes all of each.
    unsafe { filled(count * outputs, fill_all) }
}

fn check(sizes: Sizes, x: &[f32], weight: Weight<'_>) {
    assert!(sizes.outputs > 0, "a linear map needs outputs");
    assert_eq!(x.len(), sizes.rows * sizes.inputs);
    assert_eq!(weight.len(), sizes.outputs * sizes.inputs);
}
