//! The perceptron of a transformer block, in one pass over the rows:
//! h = x w1^T + b1, a = gelu(h), y = a w2^T + b2, with w1 [H, C], w2 [C, H].
//!
//! A piece of rows runs through both products while its h and a stay in the cache; no
//! tensor of H columns but h is ever written to memory, and h only where a backward pass
//! will want it. Backward walks over the rows once: da = dy w2; dh = da gelu'(h) and a
//! come out of one evaluation of the normal distribution; dw2 = dy^T a, dw1 = dh^T x,
//! dx = dh w1, and b1, b2 by column sums, added up in `PARTS` parts of the rows.

use std::mem::MaybeUninit;

use super::linear::{self, Sizes, Transposed, Wanted, Weight, add_sums};
use super::matmul::{View, product};
use super::parallel;
use super::simd::{self, Arch, Simd, WithSimd};
use super::storage::{filled, scratch, written};

/// Parts of the rows; a part runs on one thread.
const PARTS: usize = 8;
/// Rows of a forward piece within a part, at most: enough for the product, few enough for the cache.
const FORWARD_ROWS: usize = 128;
/// Numbers of a and of dh in a backward piece, about: both, 384 KiB, stay in an L2 cache.
const BACKWARD_NUMBERS: usize = 48 << 10;

/// The parameters: w1 [H, C], b1 `[H]`, w2 [C, H], b2 `[C]`.
#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    /// w1 followed by b1.
    pub first: &'a [f32],
    /// w2 followed by b2.
    pub second: &'a [f32],
    /// Whether both weights lie column by column ([`Weight::Columns`]).
    pub columns: bool,
    /// C.
    pub channels: usize,
    /// H.
    pub hidden: usize,
}

impl<'a> Parameters<'a> {
    /// The products of `rows` rows.
    fn sizes(&self, rows: usize) -> (Sizes, Sizes) {
        let (channels, hidden) = (self.channels, self.hidden);
        (
            Sizes {
                rows,
                inputs: channels,
                outputs: hidden,
            },
            Sizes {
                rows,
                inputs: hidden,
                outputs: channels,
            },
        )
    }

    /// (w1, b1, w2, b2).
    fn split(&self) -> (Weight<'a>, &'a [f32], Weight<'a>, &'a [f32]) {
        let (w1, b1) = self.first.split_at(self.channels * self.hidden);
        let (w2, b2) = self.second.split_at(self.channels * self.hidden);
        let order = if self.columns {
            Weight::Columns
        } else {
            Weight::Rows
        };
        (order(w1), b1, order(w2), b2)
    }

    /// The number of rows of `x`. Panics if a slice does not have its length.
    fn check(&self, x: &[f32]) -> usize {
        let (channels, hidden) = (self.channels, self.hidden);
        assert!(channels > 0 && hidden > 0 && x.len().is_multiple_of(channels));
        assert_eq!(self.first.len(), (channels + 1) * hidden);
        assert_eq!(self.second.len(), (hidden + 1) * channels);
        x.len() / channels
    }
}

struct Gelu<'a>(&'a [f32], &'a mut [MaybeUninit<f32>]);

impl WithSimd for Gelu<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        simd::map1(simd, super::gelu::Gelu, self.0, self.1);
    }
}

/// From h: a = gelu(h), and da becomes dh = da gelu'(h).
struct GeluBoth<'a> {
    h: &'a [f32],
    a: &'a mut [MaybeUninit<f32>],
    da: &'a mut [f32],
}

impl WithSimd for GeluBoth<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        assert!(self.h.len() == self.a.len() && self.h.len() == self.da.len());
        let (h, h_tail) = S::as_simd_f32s(self.h);
        let (a, a_tail) = S::as_uninit_mut_simd_f32s(self.a);
        let (da, da_tail) = S::as_mut_simd_f32s(self.da);
        for ((&h, a), da) in h.iter().zip(a).zip(da) {
            let (cdf, density) = simd::normal(simd, h);
            a.write(simd.mul_f32s(h, cdf));
            *da = simd.mul_f32s(*da, simd.mul_add_e_f32s(h, density, cdf));
        }
        if !h_tail.is_empty() {
            let (h, tail) = (
                simd.partial_load_f32s(h_tail),
                simd.partial_load_f32s(da_tail),
            );
            let (cdf, density) = simd::normal(simd, h);
            simd::write_lanes(simd, simd.mul_f32s(h, cdf), a_tail);
            let tail = simd.mul_f32s(tail, simd.mul_add_e_f32s(h, density, cdf));
            simd.partial_store_f32s(da_tail, tail);
        }
    }
}

/// The rows of even pieces of a part, of at most `most` rows.
fn even_piece(part: usize, most: usize) -> usize {
    part.div_ceil(part.div_ceil(most).max(1)).max(1)
}

/// (y [M, C], h [M, H]) of x [M, C]; h is empty unless `keep`.
pub fn forward(
    arch: Arch,
    parameters: Parameters<'_>,
    x: &[f32],
    keep: bool,
) -> (Vec<f32>, Vec<f32>) {
    let rows = parameters.check(x);
    let Parameters {
        channels, hidden, ..
    } = parameters;
    let (first, second) = parameters.sizes(rows);
    let (w1, b1, w2, b2) = parameters.split();
    let (w1, w2) = (Transposed::new(first, w1), Transposed::new(second, w2));
    let part = rows.div_ceil(PARTS).max(1);
    let parts = rows.div_ceil(part);
    let piece = even_piece(part, FORWARD_ROWS);
    let h_row = if keep { hidden } else { 0 };
    let one_part = |i: usize, y: &mut [MaybeUninit<f32>], h: &mut [MaybeUninit<f32>]| {
        let room = piece * hidden;
        let (mut a, mut own) = (scratch(room), scratch(if keep { 0 } else { room }));
        for (n, y) in y.chunks_mut(piece * channels).enumerate() {
            let (start, count) = (n * piece, y.len() / channels);
            let x = &x[(i * part + start) * channels..][..count * channels];
            let h = if keep {
                &mut h[start * hidden..]
            } else {
                &mut own[..]
            };
            let h = linear::rows(&w1, x, Some(b1), &mut h[..count * hidden]);
            let a = &mut a[..count * hidden];
            arch.dispatch(Gelu(h, a));
            // SAFETY: `map1` has written every element.
            linear::rows(&w2, unsafe { written(a) }, Some(b2), y);
        }
    };
    let work = first.work() + second.work();
    let mut kept = Vec::new();
    let fill_y = |y: &mut [MaybeUninit<f32>]| {
        let fill_h = |h: &mut [MaybeUninit<f32>]| {
            parallel::parts(
                parts,
                (y, part * channels),
                (h, part * h_row),
                work,
                one_part,
            );
        };
        // SAFETY: if h is kept, the parts are whole rows and cover it, and the pieces of
        // `one_part` cover each part; if not, its length is 0.
        kept = unsafe { filled(rows * h_row, fill_h) };
    };
    // SAFETY: the parts are whole rows and cover y, the pieces of `one_part` cover each
    // part, and `linear::rows` writes all of a piece.
    let y = unsafe { filled(rows * channels, fill_y) };
    (y, kept)
}

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
    let Parameters {
        channels, hidden, ..
    } = parameters;
    assert!(h.len() == rows * hidden && dy.len() == x.len());
    let (first, second) = parameters.sizes(rows);
    let (w1, _, w2, _) = parameters.split();
    let part = rows.div_ceil(PARTS).max(1);
    let parts = rows.div_ceil(part).max(1);
    let piece = even_piece(part, (BACKWARD_NUMBERS / hidden).clamp(48, 128));
    let dx_row = if wanted.dx { channels } else { 0 };
    let second_at = parameters.first.len();
    let sums_len = if wanted.sums {
        second_at + parameters.second.len()
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
            let (a, da) = (&mut a[..count * hidden], &mut dh[..count * hidden]);
            let dy_rows = View::new(dy, count, channels);
            product(da, hidden, 1.0, dy_rows, w2.view(second));
            // SAFETY: the product covers all rows and columns.
            let da = unsafe { written(da) };
            arch.dispatch(GeluBoth { h, a, da });
            let dh = &*da;
            if wanted.sums {
                let (first_sums, second_sums) = sums.split_at_mut(second_at);
                // SAFETY: `GeluBoth` has written every element of a.
                add_sums(arch, second, unsafe { written(a) }, dy, second_sums);
                add_sums(arch, first, x, dh, first_sums);
            }
            if wanted.dx {
                let dx = &mut dx[(start - i * part) * channels..][..count * channels];
                let dh = View::new(dh, count, hidden);
                product(dx, channels, 1.0, dh, w1.view(first));
            }
        }
    };
    let mut sums = vec![0.0; parts * sums_len];
    let fill = |dx: &mut [MaybeUninit<f32>]| {
        let work = 2 * (first.work() + second.work());
        let (dx, sums) = ((dx, part * dx_row), (&mut *sums, sums_len));
        parallel::parts(parts, dx, sums, work, one_part);
    };
    // SAFETY: if dx is wanted, the parts are whole rows and cover it, and the products
    // write all of each; if not, its length is 0.
    let dx = unsafe { filled(rows * dx_row, fill) };
    (dx, parallel::add_parts(sums, sums_len))
}
