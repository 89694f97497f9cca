//! The linear map y = x w^T + b of rows x [M, K], with w [N, K] and b `[N]`.
//!
//! Backward: dx = dy w, dw = dy^T x, db = sum over rows of dy. Forward runs over even
//! pieces of rows, which start as copies of b. Backward cuts the rows into `PARTS`
//! parts; each walks through its rows once, in pieces that stay in the L2 cache, writes
//! their dx and adds their share of dw and db onto its own sums.

use std::mem::MaybeUninit;

use super::matmul::{View, product, product_add};
use super::parallel::{self, even_rows};
use super::simd::Arch;
use super::storage::{copy, filled, written};
use super::transpose::transpose;

/// Parts of the sums over rows in the backward pass.
const PARTS: usize = 8;
/// Rows of a forward piece, about: enough to pay for packing w anew.
const FORWARD_ROWS: usize = 400;
/// Rows of a backward piece within a part.
const BACKWARD_ROWS: usize = 100;

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

/// A weight, and in which order its numbers lie.
#[derive(Clone, Copy, Debug)]
pub enum Weight<'a> {
    /// Row by row: w [N, K].
    Rows(&'a [f32]),
    /// Column by column: w^T [K, N], the order that the forward product reads. Weights that
    /// never change are laid out so once, when their layer is made.
    Columns(&'a [f32]),
}

impl<'a> From<&'a [f32]> for Weight<'a> {
    fn from(rows: &'a [f32]) -> Self {
        Self::Rows(rows)
    }
}

impl<'a> From<&'a Vec<f32>> for Weight<'a> {
    fn from(rows: &'a Vec<f32>) -> Self {
        Self::Rows(rows)
    }
}

impl<'a> Weight<'a> {
    /// w [N, K]. Panics if it does not have its length.
    pub(super) fn view(
        self,
        Sizes {
            inputs, outputs, ..
        }: Sizes,
    ) -> View<'a, f32> {
        match self {
            Self::Rows(w) => View::new(w, outputs, inputs),
            Self::Columns(w) => View::new(w, inputs, outputs).t(),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Rows(w) | Self::Columns(w) => w.len(),
        }
    }
}

/// w^T [K, N], as [`rows`] reads it.
///
/// Where many rows share a weight that lies row by row, it is a copy in the other order,
/// which gemm reads as it lies; a transposed view it would pack anew for every piece of
/// rows.
pub struct Transposed<'a> {
    weight: Weight<'a>,
    copy: Option<Vec<f32>>,
    inputs: usize,
    outputs: usize,
}

impl<'a> Transposed<'a> {
    /// The transposition of w [N, K]. Panics if it does not have its length.
    pub fn new(sizes: Sizes, weight: impl Into<Weight<'a>>) -> Self {
        /// The rows from which the copy pays: it costs about as much as 20 of them.
        const SHARED_BY: usize = 256;
        let Sizes {
            rows,
            inputs,
            outputs,
        } = sizes;
        let weight = weight.into();
        assert_eq!(weight.len(), inputs * outputs);
        let copy = match weight {
            Weight::Rows(w) if rows >= SHARED_BY => {
                // SAFETY: `transpose` writes every element.
                Some(unsafe { filled(w.len(), |out| transpose(w, outputs, inputs, out)) })
            }
            _ => None,
        };
        Self {
            weight,
            copy,
            inputs,
            outputs,
        }
    }

    fn view(&self) -> View<'_, f32> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        match (&self.copy, self.weight) {
            (Some(copy), _) => View::new(copy, inputs, outputs),
            (None, Weight::Rows(w)) => View::new(w, outputs, inputs).t(),
            (None, Weight::Columns(w)) => View::new(w, inputs, outputs),
        }
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

/// Which gradients [`backward`] is to compute.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// That of x.
    pub dx: bool,
    /// Those of w and b.
    pub sums: bool,
}

/// (dx [M, K], dw [N, K] followed by db `[N]`); a vector that is not wanted is empty.
/// Panics if a slice does not have its length.
pub fn backward<'a>(
    arch: Arch,
    sizes: Sizes,
    x: &[f32],
    weight: impl Into<Weight<'a>>,
    dy: &[f32],
    wanted: Wanted,
) -> (Vec<f32>, Vec<f32>) {
    let Sizes {
        rows,
        inputs,
        outputs,
    } = sizes;
    let weight = weight.into();
    check(sizes, x, weight);
    assert_eq!(dy.len(), rows * outputs);
    let part = rows.div_ceil(PARTS).max(1);
    let parts = rows.div_ceil(part).max(1);
    let (dx_row, sums_len) = (
        if wanted.dx { inputs } else { 0 },
        if wanted.sums {
            outputs * inputs + outputs
        } else {
            0
        },
    );
    let mut sums = vec![0.0f32; parts * sums_len];
    let one_part = |i: usize, dx: &mut [MaybeUninit<f32>], sums: &mut [f32]| {
        let end = rows.min((i + 1) * part);
        for start in (i * part..end).step_by(BACKWARD_ROWS) {
            let count = BACKWARD_ROWS.min(end - start);
            let x = &x[start * inputs..][..count * inputs];
            let dy = &dy[start * outputs..][..count * outputs];
            if wanted.dx {
                let dx = &mut dx[(start - i * part) * inputs..][..count * inputs];
                let dy = View::new(dy, count, outputs);
                product(dx, inputs, 1.0, dy, weight.view(sizes));
            }
            if wanted.sums {
                add_sums(arch, sizes, x, dy, sums);
            }
        }
    };
    let fill = |dx: &mut [MaybeUninit<f32>]| {
        let work = sizes.work() * (usize::from(wanted.dx) + usize::from(wanted.sums));
        let (dx, sums) = ((dx, part * dx_row), (&mut *sums, sums_len));
        parallel::parts(parts, dx, sums, work, one_part);
    };
    // SAFETY: if dx is wanted, the parts cover it and the products write all of each part;
    // if not, its length is 0.
    let dx = unsafe { filled(rows * dx_row, fill) };
    (dx, parallel::add_parts(sums, sums_len))
}

/// Adds the share of some rows onto `sums`, dw [N, K] followed by db `[N]`.
pub fn add_sums(arch: Arch, sizes: Sizes, x: &[f32], dy: &[f32], sums: &mut [f32]) {
    let Sizes {
        inputs, outputs, ..
    } = sizes;
    let count = dy.len() / outputs.max(1);
    let (dw, db) = sums.split_at_mut(outputs * inputs);
    let (dy_t, x) = (
        View::new(dy, count, outputs).t(),
        View::new(x, count, inputs),
    );
    product_add(dw, inputs, 1.0, dy_t, x);
    arch.dispatch(|| add_rows(dy, db));
}

/// Adds the rows of `x` onto `sum`, one after the other.
#[inline(always)]
pub fn add_rows(x: &[f32], sum: &mut [f32]) {
    for row in x.chunks_exact(sum.len().max(1)) {
        for (sum, &x) in sum.iter_mut().zip(row) {
            *sum += x;
        }
    }
}

fn check(sizes: Sizes, x: &[f32], weight: Weight<'_>) {
    assert!(sizes.outputs > 0, "a linear map needs outputs");
    assert_eq!(x.len(), sizes.rows * sizes.inputs);
    assert_eq!(weight.len(), sizes.outputs * sizes.inputs);
}
