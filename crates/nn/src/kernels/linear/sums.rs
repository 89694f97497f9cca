//! The gradients of a weight and a bias, which are sums over rows:
//! dw [N, K] = dy^T x and db `[N]` = the sum of the rows of dy.
//!
//! There are two ways to share this work. A small weight ([`is_small`]) stays in the cache
//! while rows go by: each thread adds the shares of its own rows, piece by piece, onto a
//! dw of its own ([`add_share`]), and these are added up in the end. A large one would be
//! fetched and stored again for every piece of rows: each thread computes some rows of it
//! from all of x and dy ([`by_outputs`]), and nothing is added up.

use std::mem::MaybeUninit;

use super::super::matmul::{View, product, product_add};
use super::super::parallel;
use super::super::simd::Arch;
use super::super::storage::copy;
use super::Sizes;

/// Numbers of the largest weight that is small: 256 KiB, half of a small L2 cache.
const SMALL: usize = 1 << 16;
/// Blocks of outputs, where each of them has enough outputs for a good product.
const BLOCKS: usize = 8;
/// Outputs of a block, at least.
const OUTPUTS: usize = 48;

/// Whether dw stays in the cache of one core.
pub fn is_small(sizes: Sizes) -> bool {
    sizes.inputs * sizes.outputs <= SMALL
}

/// Adds the share of some rows onto `sums`, dw [N, K] followed by db `[N]`.
pub fn add_share(arch: Arch, sizes: Sizes, x: &[f32], dy: &[f32], sums: &mut [f32]) {
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
    arch.dispatch(|| add_rows(dy, outputs, db));
}

/// Writes all of `dw`, and all of `db` unless that is empty. Panics if a slice does not
/// have its length.
pub fn by_outputs(
    arch: Arch,
    sizes: Sizes,
    x: &[f32],
    dy: &[f32],
    dw: &mut [MaybeUninit<f32>],
    db: &mut [MaybeUninit<f32>],
) {
    let Sizes {
        rows,
        inputs,
        outputs,
    } = sizes;
    assert!(x.len() == rows * inputs && dy.len() == rows * outputs);
    assert!(dw.len() == outputs * inputs && (db.is_empty() || db.len() == outputs));
    let block = outputs.div_ceil(BLOCKS).max(OUTPUTS);
    let one_block = |i: usize, dw: &mut [MaybeUninit<f32>], db: &mut [MaybeUninit<f32>]| {
        let (first, count) = (i * block, block.min(outputs - i * block));
        let dy = dy.get(first..).unwrap_or_default();
        let dy_t = View::with_row_stride(dy, rows, count, outputs).t();
        product(dw, inputs, 1.0, dy_t, View::new(x, rows, inputs));
        if !db.is_empty() {
            let mut sum = vec![0.0; count];
            arch.dispatch(|| add_rows(dy, outputs, &mut sum));
            copy(&sum, db);
        }
    };
    let (dw, db) = ((dw, block * inputs), (db, block));
    parallel::parts(outputs.div_ceil(block), dw, db, sizes.work(), one_block);
}

/// Adds the first numbers of the rows of `x`, which are `stride` apart, onto `sum`, one row
/// after the other.
#[inline(always)]
pub fn add_rows(x: &[f32], stride: usize, sum: &mut [f32]) {
    for row in x.chunks(stride.max(1)) {
        for (sum, &x) in sum.iter_mut().zip(row) {
            *sum += x;
        }
    }
}
