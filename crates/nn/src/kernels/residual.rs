//! The end of a residual branch: y = x + f gamma z, where z [B, ..., C] is the branch's
//! output, gamma `[C]` LayerScale (Touvron et al. 2021, CaiT) and f `[B]` drop path's factor
//! of each sample, 0 or 1 / keep (Huang et al. 2016). Either may be absent (1).
//!
//! Backward: dx = dy (no work), dz = f gamma dy, dgamma = sum over rows of f dy z. The
//! sum is cut into `PARTS` parts by the number of rows alone.

use std::mem::MaybeUninit;

use super::parallel;
use super::simd::Arch;
use super::storage::filled;

/// Parts of the sum over rows.
const PARTS: usize = 8;

/// gamma and f, and which rows belong to which sample.
#[derive(Clone, Copy, Debug)]
pub struct Factors<'a> {
    /// C.
    pub channels: usize,
    /// gamma, `[C]`.
    pub gamma: Option<&'a [f32]>,
    /// f, `[B]`.
    pub samples: Option<&'a [f32]>,
    /// Rows in a sample.
    pub rows: usize,
}

impl Factors<'_> {
    /// f of a row.
    fn sample(&self, row: usize) -> f32 {
        self.samples.map_or(1.0, |f| f[row / self.rows])
    }
}

/// y of x and z.
pub fn forward(arch: Arch, factors: Factors<'_>, x: &[f32], z: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), z.len());
    let channels = check(&factors, x);
    let rows = parallel::rows_per_chunk(channels);
    let fill = |i: usize, y: &mut [MaybeUninit<f32>]| {
        let start = i * rows * channels;
        let (x, z) = (&x[start..][..y.len()], &z[start..][..y.len()]);
        arch.dispatch(|| add(factors, i * rows, x, z, y));
    };
    let fill_all = |y: &mut [MaybeUninit<f32>]| {
        parallel::chunks(y, rows * channels, x.len(), fill);
    };
    // SAFETY: the pieces are whole rows and cover y, and `add` writes all of each.
    unsafe { filled(x.len(), fill_all) }
}

#[inline(always)]
fn add(factors: Factors<'_>, row: usize, x: &[f32], z: &[f32], y: &mut [MaybeUninit<f32>]) {
    let channels = factors.channels;
    let rows = x.chunks_exact(channels).zip(z.chunks_exact(channels));
    for (i, ((x, z), y)) in rows.zip(y.chunks_exact_mut(channels)).enumerate() {
        let f = factors.sample(row + i);
        let values = y.iter_mut().zip(x.iter().zip(z));
        match factors.gamma {
            Some(gamma) => values.zip(gamma).for_each(|((y, (&x, &z)), &gamma)| {
                y.write(x + f * gamma * z);
            }),
            None => values.for_each(|(y, (&x, &z))| {
                y.write(x + f * z);
            }),
        }
    }
}

/// dz of dy.
pub fn branch_gradient(arch: Arch, factors: Factors<'_>, dy: &[f32]) -> Vec<f32> {
    let channels = check(&factors, dy);
    let rows = parallel::rows_per_chunk(channels);
    let fill = |i: usize, dz: &mut [MaybeUninit<f32>]| {
        let dy = &dy[i * rows * channels..][..dz.len()];
        arch.dispatch(|| scale(factors, i * rows, dy, dz));
    };
    let fill_all = |dz: &mut [MaybeUninit<f32>]| {
        parallel::chunks(dz, rows * channels, dy.len(), fill);
    };
    // SAFETY: the pieces are whole rows and cover dz, and `scale` writes all of each.
    unsafe { filled(dy.len(), fill_all) }
}

#[inline(always)]
fn scale(factors: Factors<'_>, row: usize, dy: &[f32], dz: &mut [MaybeUninit<f32>]) {
    let channels = factors.channels;
    let rows = dy.chunks_exact(channels).zip(dz.chunks_exact_mut(channels));
    for (i, (dy, dz)) in rows.enumerate() {
        let f = factors.sample(row + i);
        let values = dz.iter_mut().zip(dy);
        match factors.gamma {
            Some(gamma) => values.zip(gamma).for_each(|((dz, &dy), &gamma)| {
                dz.write(f * gamma * dy);
            }),
            None => values.for_each(|(dz, &dy)| {
                dz.write(f * dy);
            }),
        }
    }
}

/// dgamma, `[C]`, of z and dy.
pub fn gamma_gradient(arch: Arch, factors: Factors<'_>, z: &[f32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(z.len(), dy.len());
    let channels = check(&factors, z);
    let part = (z.len() / channels).div_ceil(PARTS).max(1);
    let parts = (z.len() / channels).div_ceil(part);
    parallel::sum_parts(parts, channels, z.len(), |i, sum| {
        let start = i * part * channels;
        let end = z.len().min(start + part * channels);
        let (z, dy) = (&z[start..end], &dy[start..end]);
        arch.dispatch(|| sum_products(factors, i * part, z, dy, sum));
    })
}

#[inline(always)]
fn sum_products(factors: Factors<'_>, row: usize, z: &[f32], dy: &[f32], sum: &mut [f32]) {
    let channels = factors.channels;
    let rows = z.chunks_exact(channels).zip(dy.chunks_exact(channels));
    for (i, (z, dy)) in rows.enumerate() {
        let f = factors.sample(row + i);
        for (sum, (&z, &dy)) in sum.iter_mut().zip(z.iter().zip(dy)) {
            *sum += f * z * dy;
        }
    }
}

/// The number of channels. Panics unless `x` is whole rows and every row has its factor.
fn check(factors: &Factors<'_>, x: &[f32]) -> usize {
    let channels = factors.channels;
    assert!(channels > 0 && x.len().is_multiple_of(channels));
    assert!(factors.gamma.is_none_or(|gamma| gamma.len() == channels));
    let covered = |f: &[f32]| f.len() * factors.rows * channels == x.len();
    assert!(
        factors.samples.is_none_or(covered),
        "each sample needs its factor"
    );
    channels
}
