//! Layer norm over rows of C channels: y = n w + b, n = (x - mean) r, r = 1 / sqrt(var + eps),
//! mean and var (biased) of the row (Ba, Kiros, Hinton 2016; `torch.nn.LayerNorm`).
//!
//! Backward, with h = dy w: dx = r (h - mean(h) - n mean(h n)); dw = sum over rows of dy n;
//! db = sum over rows of dy. Mean and r are computed again from x, which is read anyway;
//! a row stays in the L1 cache between its passes. The sums over rows are cut into
//! `PARTS` parts by the number of rows alone.

use std::mem::MaybeUninit;

use super::parallel;
use super::simd::{self, Arch, Simd, WithSimd};
use super::storage::filled;

/// Parts of the sums over rows.
const PARTS: usize = 8;

/// What layer norm multiplies and adds: weight and bias `[C]`, and eps.
#[derive(Clone, Copy)]
pub struct Affine<'a> {
    /// w, `[C]`.
    pub weight: &'a [f32],
    /// b, `[C]`.
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
        let (w, w_tail) = S::as_simd_f32s(affine.weight);
        let (b, b_tail) = S::as_simd_f32s(affine.bias);
        for (x, y) in x.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
            let (mean, r) = moments(simd, x, affine.eps);
            let (x, x_tail) = S::as_simd_f32s(x);
            let (y, y_tail) = S::as_uninit_mut_simd_f32s(y);
            let (mean_s, r_s) = (simd.splat_f32s(mean), simd.splat_f32s(r));
            for ((y, &x), (&w, &b)) in y.iter_mut().zip(x).zip(w.iter().zip(b)) {
                let n = simd.mul_f32s(simd.sub_f32s(x, mean_s), r_s);
                y.write(simd.mul_add_e_f32s(n, w, b));
            }
            for ((y, &x), (&w, &b)) in y_tail.iter_mut().zip(x_tail).zip(w_tail.iter().zip(b_tail))
            {
                y.write((x - mean) * r * w + b);
            }
        }
    }
}

/// (mean, r) of a row.
#[inline(always)]
fn moments<S: Simd>(simd: S, x: &[f32], eps: f32) -> (f32, f32) {
    let channels = x.len() as f32;
    let mean = simd::sum(simd, x) / channels;
    let (x, tail) = S::as_simd_f32s(x);
    let (twos, rest) = x.as_chunks::<2>();
    let (zero, mean_s) = (simd.splat_f32s(0.0), simd.splat_f32s(mean));
    let mut acc = [zero; 2];
    for two in twos {
        for (acc, &x) in acc.iter_mut().zip(two) {
            let centred = simd.sub_f32s(x, mean_s);
            *acc = simd.mul_add_e_f32s(centred, centred, *acc);
        }
    }
    for &x in rest {
        let centred = simd.sub_f32s(x, mean_s);
        acc[0] = simd.mul_add_e_f32s(centred, centred, acc[0]);
    }
    let mut squares = simd.reduce_sum_f32s(simd.add_f32s(acc[0], acc[1]));
    for &x in tail {
        squares += (x - mean) * (x - mean);
    }
    (mean, 1.0 / (squares / channels + eps).sqrt())
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
        let (dw, db) = self.sums.split_at_mut(channels);
        let rows = self
            .x
            .chunks_exact(channels)
            .zip(self.dy.chunks_exact(channels));
        for ((x, dy), dx) in rows.zip(self.dx.chunks_exact_mut(channels)) {
            let (mean, r) = moments(simd, x, self.affine.eps);
            let (h, hn) = add_row(simd, weight, x, dy, (mean, r), dw, db);
            let (mean_h, mean_hn) = (h / channels as f32, hn / channels as f32);
            write_row(simd, weight, x, dy, (mean, r), (mean_h, mean_hn), dx);
        }
    }
}

/// Adds dy n onto `dw` and dy onto `db`; returns the sums of h and of h n.
#[inline(always)]
fn add_row<S: Simd>(
    simd: S,
    w: &[f32],
    x: &[f32],
    dy: &[f32],
    (mean, r): (f32, f32),
    dw: &mut [f32],
    db: &mut [f32],
) -> (f32, f32) {
    let (w, w_tail) = S::as_simd_f32s(w);
    let (x, x_tail) = S::as_simd_f32s(x);
    let (dy, dy_tail) = S::as_simd_f32s(dy);
    let (dw, dw_tail) = S::as_mut_simd_f32s(dw);
    let (db, db_tail) = S::as_mut_simd_f32s(db);
    let (mean_s, r_s) = (simd.splat_f32s(mean), simd.splat_f32s(r));
    let (mut h_sum, mut hn_sum) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
    for (((&x, &dy), &w), (dw, db)) in x.iter().zip(dy).zip(w).zip(dw.iter_mut().zip(db)) {
        let n = simd.mul_f32s(simd.sub_f32s(x, mean_s), r_s);
        let h = simd.mul_f32s(dy, w);
        *dw = simd.mul_add_e_f32s(dy, n, *dw);
        *db = simd.add_f32s(*db, dy);
        h_sum = simd.add_f32s(h_sum, h);
        hn_sum = simd.mul_add_e_f32s(h, n, hn_sum);
    }
    let (mut h_sum, mut hn_sum) = (simd.reduce_sum_f32s(h_sum), simd.reduce_sum_f32s(hn_sum));
    for (i, &x) in x_tail.iter().enumerate() {
        let n = (x - mean) * r;
        let h = dy_tail[i] * w_tail[i];
        dw_tail[i] += dy_tail[i] * n;
        db_tail[i] += dy_tail[i];
        h_sum += h;
        hn_sum += h * n;
    }
    (h_sum, hn_sum)
}

/// Writes dx = r (h - mean_h - n mean_hn).
#[inline(always)]
fn write_row<S: Simd>(
    simd: S,
    w: &[f32],
    x: &[f32],
    dy: &[f32],
    (mean, r): (f32, f32),
    (mean_h, mean_hn): (f32, f32),
    dx: &mut [MaybeUninit<f32>],
) {
    let (w, w_tail) = S::as_simd_f32s(w);
    let (x, x_tail) = S::as_simd_f32s(x);
    let (dy, dy_tail) = S::as_simd_f32s(dy);
    let (dx, dx_tail) = S::as_uninit_mut_simd_f32s(dx);
    let (mean_s, r_s) = (simd.splat_f32s(mean), simd.splat_f32s(r));
    let (mean_h_s, mean_hn_s) = (simd.splat_f32s(mean_h), simd.splat_f32s(mean_hn));
    for ((dx, &x), (&dy, &w)) in dx.iter_mut().zip(x).zip(dy.iter().zip(w)) {
        let n = simd.mul_f32s(simd.sub_f32s(x, mean_s), r_s);
        let h = simd.sub_f32s(simd.mul_f32s(dy, w), mean_h_s);
        let centred = simd.negate_mul_add_e_f32s(n, mean_hn_s, h);
        dx.write(simd.mul_f32s(r_s, centred));
    }
    for ((dx, &x), (&dy, &w)) in dx_tail
        .iter_mut()
        .zip(x_tail)
        .zip(dy_tail.iter().zip(w_tail))
    {
        let n = (x - mean) * r;
        dx.write(r * (dy * w - mean_h - n * mean_hn));
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
