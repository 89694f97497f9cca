//! Forward of the perceptron.

use std::mem::MaybeUninit;

use super::super::linear::{self, Transposed};
use super::super::parallel::{self, even_rows};
use super::super::simd::Arch;
use super::super::storage::{filled, scratch, written};
use super::Parameters;
use super::activation::Gelu;

/// Rows of a piece, about: enough to pay for packing the weights anew. Its a and h leave a
/// small L2 cache, which costs less.
const ROWS: usize = 256;

/// (y [M, C], h [M, H]) of x [M, C]; h is empty unless `keep`.
pub fn forward(
    arch: Arch,
    parameters: Parameters<'_>,
    x: &[f32],
    keep: bool,
) -> (Vec<f32>, Vec<f32>) {
    let rows = parameters.check(x);
    let (channels, hidden) = (parameters.channels(), parameters.hidden());
    let (first, second) = parameters.sizes(rows);
    let ((w1, b1), (w2, b2)) = (parameters.first, parameters.second);
    let (w1, w2) = (Transposed::new(first, w1), Transposed::new(second, w2));
    let piece = even_rows(rows, ROWS);
    let h_row = if keep { hidden } else { 0 };
    let one_piece = |i: usize, y: &mut [MaybeUninit<f32>], h: &mut [MaybeUninit<f32>]| {
        let count = y.len() / channels;
        let x = &x[i * piece * channels..][..count * channels];
        let mut own = scratch(if keep { 0 } else { count * hidden });
        let h = linear::rows(&w1, x, Some(b1), if keep { h } else { &mut own });
        let mut a = scratch(count * hidden);
        arch.dispatch(Gelu(h, &mut a));
        // SAFETY: `Gelu` has written every element.
        linear::rows(&w2, unsafe { written(&mut a) }, Some(b2), y);
    };
    let mut kept = Vec::new();
    let fill_y = |y: &mut [MaybeUninit<f32>]| {
        let fill_h = |h: &mut [MaybeUninit<f32>]| {
            let (y, h) = ((y, piece * channels), (h, piece * h_row));
            let work = first.work() + second.work();
            parallel::parts(rows.div_ceil(piece), y, h, work, one_piece);
        };
        // SAFETY: if h is kept, the pieces are whole rows and cover it, and `linear::rows`
        // writes all of each; if not, its length is 0.
        kept = unsafe { filled(rows * h_row, fill_h) };
    };
    // SAFETY: the pieces are whole rows and cover y, and `linear::rows` writes all of each.
    let y = unsafe { filled(rows * channels, fill_y) };
    (y, kept)
}
