//! Backward of the perceptron: da = dy w2; dh = da gelu'(h); dx = dh w1; dw2 = dy^T a,
//! dw1 = dh^T x, and db1, db2 by column sums.
//!
//! As for a linear map, [`sums`] says how the work is shared. Where the weights are
//! small, the rows are walked through once: a and dh of a piece stay in the cache. Where
//! they are large, a and dh of all rows are written to memory, and the weights' gradients
//! are computed from them block by block.

use std::mem::MaybeUninit;

use super::super::linear::Wanted;
use super::super::linear::sums::{self, add_rows, add_share, by_outputs};
use super::super::matmul::{View, product};
use super::super::parallel::{self, even_rows};
use super::super::simd::Arch;
use super::super::storage::{copy, filled, scratch, written};
use super::super::transpose::transpose;
use super::Parameters;
use super::activation::GeluBoth;

/// Parts of the rows, for small weights; a part runs on one thread.
const PARTS: usize = 8;
/// Numbers of a and of dh in a piece of such a part, about: both, 384 KiB, stay in an L2 cache.
const PART_NUMBERS: usize = 48 << 10;
/// Rows of a piece, about, for large weights.
const ROWS: usize = 256;

/// (dx, then dw1, db1, dw2, db2 in one vector) of x, h and dy; a vector that is not wanted
/// is empty. Panics if a slice does not have its length.
pub fn backward(
    arch: Arch,
    parameters: Parameters<'_>,
    x: &[f32],
    h: &[f32],
    dy: &[f32],
    wanted: Wanted,
) -> (Vec<f32>, Vec<f32>) {
    let rows = parameters.check(x);
    assert!(h.len() == rows * parameters.hidden() && dy.len() == x.len());
    if sums::is_small(parameters.sizes(rows).0) {
        in_parts(arch, parameters, x, h, dy, wanted)
    } else {
        in_two_passes(arch, parameters, x, h, dy, wanted)
    }
}

/// The gradients of some rows: `a` and `da`, which becomes dh, are written, and all of `dx`
/// unless that is empty. Returns (a, dh).
fn hidden_rows<'a>(
    arch: Arch,
    parameters: Parameters<'_>,
    (h, dy): (&[f32], &[f32]),
    (a, da): (&'a mut [MaybeUninit<f32>], &'a mut [MaybeUninit<f32>]),
    dx: &mut [MaybeUninit<f32>],
) -> (&'a [f32], &'a [f32]) {
    let (channels, hidden) = (parameters.channels(), parameters.hidden());
    let count = dy.len() / channels;
    let (first, second) = parameters.sizes(count);
    let ((w1, _), (w2, _)) = (parameters.first, parameters.second);
    let dy = View::new(dy, count, channels);
    product(da, hidden, 1.0, dy, w2.view(second));
    // SAFETY: the product covers all rows and columns.
    let dh = unsafe { written(da) };
    arch.dispatch(GeluBoth { h, a, da: dh });
    if !dx.is_empty() {
        let dh = View::new(dh, count, hidden);
        product(dx, channels, 1.0, dh, w1.view(first));
    }
    // SAFETY: `GeluBoth` has written every element of a.
    (unsafe { written(a) }, dh)
}

/// [`backward`] for small weights: `PARTS` parts of the rows, each with its own sums.
fn in_parts(
    arch: Arch,
    parameters: Parameters<'_>,
    x: &[f32],
    h: &[f32],
    dy: &[f32],
    wanted: Wanted,
) -> (Vec<f32>, Vec<f32>) {
    let (channels, hidden) = (parameters.channels(), parameters.hidden());
    let rows = x.len() / channels;
    let (first, second) = parameters.sizes(rows);
    let part = rows.div_ceil(PARTS).max(1);
    let parts = rows.div_ceil(part).max(1);
    let most = (PART_NUMBERS / hidden).clamp(48, 128);
    let piece = part.div_ceil(part.div_ceil(most));
    let dx_row = if wanted.dx { channels } else { 0 };
    let [second_at, second_len] = parameters.lens();
    let sums_len = if wanted.sums {
        second_at + second_len
    } else {
        0
    };
    let one_part = |i: usize, dx: &mut [MaybeUninit<f32>], sums: &mut [f32]| {
        let room = piece * hidden;
        let (mut a, mut dh) = (scratch(room), scratch(room));
        let end = rows.min((i + 1) * part);
        for start in (i * part..end).step_by(piece) {
            let count = piece.min(end - start);
            let x = &x[start * channels..][..count * channels];
            let h = &h[start * hidden..][..count * hidden];
            let dy = &dy[start * channels..][..count * channels];
            let hidden_room = (&mut a[..count * hidden], &mut dh[..count * hidden]);
            let dx = &mut dx[(start - i * part) * dx_row..][..count * dx_row];
            let (a, dh) = hidden_rows(arch, parameters, (h, dy), hidden_room, dx);
            if wanted.sums {
                let (first_sums, second_sums) = sums.split_at_mut(second_at);
                add_share(arch, second, a, dy, second_sums);
                add_share(arch, first, x, dh, first_sums);
            }
        }
    };
    let mut sums = vec![0.0; parts * sums_len];
    let fill = |dx: &mut [MaybeUninit<f32>]| {
        let work = 2 * (first.work() + second.work());
        let (dx, sums) = ((dx, part * dx_row), (&mut *sums, sums_len));
        parallel::parts(parts, dx, sums, work, one_part);
    };
    // SAFETY: if dx is wanted, the parts are whole rows and cover it, and `hidden_rows`
    // writes all of each piece; if not, its length is 0.
    let dx = unsafe { filled(rows * dx_row, fill) };
    (dx, parallel::add_parts(sums, sums_len))
}

/// [`backward`] for large weights: a, dh and dx by rows, then the sums by outputs.
fn in_two_passes(
    arch: Arch,
    parameters: Parameters<'_>,
    x: &[f32],
    h: &[f32],
    dy: &[f32],
    wanted: Wanted,
) -> (Vec<f32>, Vec<f32>) {
    let (channels, hidden) = (parameters.channels(), parameters.hidden());
    let rows = x.len() / channels;
    let (first, second) = parameters.sizes(rows);
    let piece = even_rows(rows, ROWS);
    let dx_row = if wanted.dx { channels } else { 0 };
    let (mut a, mut dh) = (scratch(rows * hidden), scratch(rows * hidden));
    let fill_dx = |dx: &mut [MaybeUninit<f32>]| {
        let a = a.chunks_mut(piece * hidden);
        let dh = dh.chunks_mut(piece * hidden);
        let dx = parallel::pieces(dx, piece * dx_row);
        let work = first.work() + second.work();
        parallel::each(a.zip(dh).zip(dx), work, |i, ((a, dh), dx)| {
            let count = a.len() / hidden;
            let h = &h[i * piece * hidden..][..count * hidden];
            let dy = &dy[i * piece * channels..][..count * channels];
            hidden_rows(arch, parameters, (h, dy), (a, dh), dx);
        });
    };
    // SAFETY: if dx is wanted, the pieces are whole rows and cover it, and `hidden_rows`
    // writes all of each; if not, its length is 0.
    let dx = unsafe { filled(rows * dx_row, fill_dx) };
    if !wanted.sums {
        return (dx, Vec::new());
    }
    // SAFETY: the pieces cover both, and `hidden_rows` has written all of each.
    let (a, dh) = unsafe { (written(&mut a), written(&mut dh)) };
    let [first_len, second_len] = parameters.lens();
    let fill_sums = |sums: &mut [MaybeUninit<f32>]| {
        let (d_first, d_second) = sums.split_at_mut(first_len);
        let (dw1, db1) = d_first.split_at_mut(hidden * channels);
        let (dw2, db2) = d_second.split_at_mut(channels * hidden);
        by_outputs(arch, first, x, dh, dw1, db1);
        // dw2^T = a^T dy has more rows to share than dw2.
        // SAFETY: `by_outputs` writes all of its result.
        let dw2_t = unsafe {
            filled(hidden * channels, |dw2_t| {
                by_outputs(arch, first, dy, a, dw2_t, &mut []);
            })
        };
        transpose(&dw2_t, hidden, channels, dw2);
        let mut sum = vec![0.0; channels];
        arch.dispatch(|| add_rows(dy, channels, &mut sum));
        copy(&sum, db2);
    };
    // SAFETY: the four parts of the vector are written: by `by_outputs` (db1 is not empty),
    // `transpose` and `copy`.
    (dx, unsafe { filled(first_len + second_len, fill_sums) })
}
