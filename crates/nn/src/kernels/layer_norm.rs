//! Layer norm over rows of C channels: y = n w + b, n = (x - mean) r, r = 1 / sqrt(var + eps),
//! mean and var (biased) of the row (Ba, Kiros, Hinton 2016; `torch.nn.LayerNorm`).
//!
//! Backward, with h = dy w: dx = r (h - mean(h) - n mean(h n)); dw = sum over rows of dy n;
//! db = sum over rows of dy. Mean and r are computed again from x, which is read anyway;
//! a row stays in the L1 cache between its passes. The sums over rows are cut into
//! [`PARTS`] parts by the number of rows alone.

use std::mem::MaybeUninit;

use super::parallel;
use super::simd::{self, Arch, Simd, WithSimd};
use super::storage::{filled, written};

/// Parts of the sums over rows.
const PARTS: usize = 8;

/// What layer norm multiplies and adds: weight and bias [C], and eps.
#[derive(Clone, Copy)]
pub struct Affine<'a> {
    /// w, [C].
    pub weight: &'a [f32],
    /// b, [C].
    pub bias: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
}

/// y for rows `x`, any number of them; all of `out` is written.
pub struct Rows<'a>(
    pub Affine<'a>,
    pub &'a [f32],
    pub &'a mut [MaybeUninit<f32>],
);

impl WithSimd for Rows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(affine, x, out) = self;
        let channels = affine.weight.len();
        for (x, out) in x.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
            let (centred, r) = centre(simd, x, affine.eps, out);
            for ((y, &w), &b) in centred.iter_mut().zip(affine.weight).zip(affine.bias) {
                *y = *y * r * w + b;
            }
        }
    }
}

/// Writes x - mean into `out`; returns it with r.
#[inline(always)]
fn centre<'a, S: Simd>(
    simd: S,
    x: &[f32],
    eps: f32,
    out: &'a mut [MaybeUninit<f32>],
) -> (&'a mut [f32], f32) {
    assert_eq!(x.len(), out.len());
    let channels = x.len() as f32;
    let mean = simd::sum(simd, x) / channels;
    for (out, &x) in out.iter_mut().zip(x) {
        out.write(x - mean);
    }
    // SAFETY: the loop has written every element, since the lengths agree.
    let out = unsafe { written(out) };
    let variance = simd::dot(simd, out, out) / channels;
    (out, 1.0 / (variance + eps).sqrt())
}

/// dx for rows `x` and `dy`; adds dw and db onto `sums`, [2 C].
struct RowGradients<'a> {
    affine: Affine<'a>,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [MaybeUninit<f32>],
    sums: &'a mut [f32],
}

impl WithSimd for RowGradients<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let weight = self.affine.weight;
        let channels = weight.len();
        let mut h = vec![0.0f32; channels];
        let (dw, db) = self.sums.split_at_mut(channels);
        let rows = self
            .x
            .chunks_exact(channels)
            .zip(self.dy.chunks_exact(channels));
        for ((x, dy), dx) in rows.zip(self.dx.chunks_exact_mut(channels)) {
            let (n, r) = centre(simd, x, self.affine.eps, dx);
            for ((n, h), (&dy, &w)) in n.iter_mut().zip(&mut h).zip(dy.iter().zip(weight)) {
                *n *= r;
                *h = dy * w;
            }
            for ((dw, db), (&dy, &n)) in dw.iter_mut().zip(&mut *db).zip(dy.iter().zip(&*n)) {
                *dw += dy * n;
                *db += dy;
            }
            let mean_h = simd::sum(simd, &h) / channels as f32;
            let mean_hn = simd::dot(simd, &h, n) / channels as f32;
            for (n, &h) in n.iter_mut().zip(&h) {
                *n = r * (h - mean_h - *n * mean_hn);
            }
        }
    }
}

/// y of x, rows of C channels. Panics if C is 0 or does not divide the length of x.
pub fn forward(arch: Arch, affine: Affine<'_>, x: &[f32]) -> Vec<f32> {
    let channels = check(&affine, x);
    let chunk = parallel::rows_per_chunk(channels) * channels;
    let fill = |i: usize, out: &mut [MaybeUninit<f32>]| {
        arch.dispatch(Rows(affine, &x[i * chunk..][..out.len()], out));
    };
    // SAFETY: the pieces are whole rows, cover the output, and `Rows` writes all of each.
    unsafe { filled(x.len(), |out| parallel::chunks(out, chunk, x.len(), fill)) }
}

/// (dx, dw followed by db) of x and dy. Panics as [`forward`], or if the lengths differ.
pub fn backward(arch: Arch, affine: Affine<'_>, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let channels = check(&affine, x);
    assert_eq!(x.len(), dy.len());
    let part = (x.len() / channels).div_ceil(PARTS).max(1) * channels;
    let parts = x.len().div_ceil(part).max(1);
    let mut sums = vec![0.0; parts * 2 * channels];
    let fill = |i: usize, dx: &mut [MaybeUninit<f32>], sums: &mut [f32]| {
        let (x, dy) = (&x[i * part..][..dx.len()], &dy[i * part..][..dx.len()]);
        arch.dispatch(RowGradients {
            affine,
            x,
            dy,
            dx,
            sums,
        });
    };
    let fill_all = |dx: &mut [MaybeUninit<f32>]| {
        let (dx, sums) = ((dx, part), (&mut *sums, 2 * channels));
        parallel::parts(parts, dx, sums, 2 * x.len(), fill);
    };
    // SAFETY: the pieces are whole rows, cover dx, and `RowGradients` writes all of each.
    let dx = unsafe { filled(x.len(), fill_all) };
    (dx, parallel::add_parts(sums, 2 * channels))
}

fn check(affine: &Affine<'_>, x: &[f32]) -> usize {
    let channels = affine.weight.len();
    assert!(channels > 0 && channels == affine.bias.len() && x.len().is_multiple_of(channels));
    channels
}
