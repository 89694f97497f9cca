//! Backward of a linear map. dx is cut by rows; how dw and db are shared, [`sums`] says.
//! Where the weight is small, both are done in one pass over the rows.

use std::mem::MaybeUninit;

use super::super::matmul::{View, product};
use super::super::parallel::{self, even_rows};
use super::super::simd::Arch;
use super::super::storage::filled;
use super::sums::{self, add_share, by_outputs};
use super::{Sizes, Weight, check};

/// Parts of the sums over rows, for a small weight.
const PARTS: usize = 8;
/// Rows of a piece of such a part: x, dy and dx stay in the L2 cache.
const PART_ROWS: usize = 100;
/// Rows of a piece of dx, about, for a large weight: enough to pay for packing it anew.
const DX_ROWS: usize = 200;

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
    let weight = weight.into();
    check(sizes, x, weight);
    assert_eq!(dy.len(), sizes.rows * sizes.outputs);
    if sums::is_small(sizes) {
        return in_parts(arch, sizes, x, weight, dy, wanted);
    }
    let dx = wanted.dx.then(|| dx_by_rows(sizes, weight, dy));
    let sums = wanted.sums.then(|| {
        let weights = sizes.outputs * sizes.inputs;
        let fill = |sums: &mut [MaybeUninit<f32>]| {
            let (dw, db) = sums.split_at_mut(weights);
            by_outputs(arch, sizes, x, dy, dw, db);
        };
        // SAFETY: `by_outputs` writes all of dw and, since it is not empty, of db.
        unsafe { filled(weights + sizes.outputs, fill) }
    });
    (dx.unwrap_or_default(), sums.unwrap_or_default())
}

/// dx [M, K] of dy [M, N].
fn dx_by_rows(sizes: Sizes, weight: Weight<'_>, dy: &[f32]) -> Vec<f32> {
    let Sizes {
        rows,
        inputs,
        outputs,
    } = sizes;
    let piece = even_rows(rows, DX_ROWS);
    let one_piece = |i: usize, dx: &mut [MaybeUninit<f32>]| {
        let dy = View::new(&dy[i * piece * outputs..], dx.len() / inputs, outputs);
        product(dx, inputs, 1.0, dy, weight.view(sizes));
    };
    let fill =
        |dx: &mut [MaybeUninit<f32>]| parallel::chunks(dx, piece * inputs, sizes.work(), one_piece);
    // SAFETY: the pieces are whole rows and cover dx, and the products write all of each.
    unsafe { filled(rows * inputs, fill) }
}

/// [`backward`] for a small weight: `PARTS` parts of the rows, each with its own sums.
fn in_parts(
    arch: Arch,
    sizes: Sizes,
    x: &[f32],
    weight: Weight<'_>,
    dy: &[f32],
    wanted: Wanted,
) -> (Vec<f32>, Vec<f32>) {
    let Sizes {
        rows,
        inputs,
        outputs,
    } = sizes;
    let part = rows.div_ceil(PARTS).max(1);
    let parts = rows.div_ceil(part).max(1);
    let dx_row = if wanted.dx { inputs } else { 0 };
    let sums_len = if wanted.sums {
        outputs * inputs + outputs
    } else {
        0
    };
    let mut sums = vec![0.0f32; parts * sums_len];
    let one_part = |i: usize, dx: &mut [MaybeUninit<f32>], sums: &mut [f32]| {
        let end = rows.min((i + 1) * part);
        for start in (i * part..end).step_by(PART_ROWS) {
            let count = PART_ROWS.min(end - start);
            let x = &x[start * inputs..][..count * inputs];
            let dy = &dy[start * outputs..][..count * outputs];
            if wanted.dx {
                let dx = &mut dx[(start - i * part) * inputs..][..count * inputs];
                let dy = View::new(dy, count, outputs);
                product(dx, inputs, 1.0, dy, weight.view(sizes));
            }
            if wanted.sums {
                add_share(arch, sizes, x, dy, sums);
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
