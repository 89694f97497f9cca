//! The transforms as dense matrix products, for devices without a fast Fourier transform of ours.
//!
//! On a GPU a feature map's transform is a small matrix product, and candle differentiates it by
//! itself. The cost grows with `H + W` per sample instead of `log(H W)`.

use std::f64::consts::TAU;

use candle_core::Tensor;

use crate::constants::{Key, matrix};
use crate::kernels::{Direction, Inner};
use crate::real::{check_axes, to_working_precision};
use crate::{Norm, Result, Spectrum};

/// [`crate::rfft2`] by products with DFT matrices, made of candle's own differentiable ops: `[...,
/// H, W]` to `[2, ..., H, W/2 + 1]` on any device.
///
/// # Errors
/// As [`crate::rfft2`].
pub fn rfft2_by_matrices(x: &Tensor, norm: Norm) -> Result<Spectrum> {
    check_axes("rfft2_by_matrices", "[..., H, W]", x, &["H", "W"])?;
    let x = to_working_precision("rfft2_by_matrices", x)?;
    let axes = [x.rank() - 2, x.rank() - 1];
    let (h, w) = (x.dims()[axes[0]], x.dims()[axes[1]]);
    let data = analyse(&x, norm.scale(h * w), Inner::Once)?;
    Ok(Spectrum::of(data, axes.to_vec(), Some(w), norm))
}

/// Real planes `[..., H, W]` to half spectra `[2, ..., H, W/2 + 1]`.
pub(crate) fn analyse(x: &Tensor, scale: f64, inner: Inner) -> Result<Tensor> {
    let (lead, h, w) = split(x.dims());
    let (planes, bins) = (lead.iter().product::<usize>(), w / 2 + 1);
    // [P H, W] by [W, 2 bins], real columns before imaginary ones.
    let over_w = matrix(
        key("analysis", w, scale, inner as u8),
        (w, 2 * bins),
        x,
        || analysis_matrix(w, scale, inner),
    )?;
    let rows = x.reshape((planes * h, w))?.matmul(&over_w)?;
    let rows = rows.reshape((planes, h, 2, bins))?.permute((2, 0, 1, 3))?;
    let data = over_columns(&rows, Direction::Forward)?;
    Ok(data.reshape([&[2], lead, &[h, bins]].concat())?)
}

/// Half spectra `[2, ..., H, width/2 + 1]` to real planes `[..., H, width]`.
pub(crate) fn synthesise(data: &Tensor, width: usize, scale: f64, inner: Inner) -> Result<Tensor> {
    let (lead, h, bins) = split(&data.dims()[1..]);
    let planes = lead.iter().product::<usize>();
    let data = over_columns(&data.reshape((2, planes, h, bins))?, Direction::Inverse)?;
    let key = key("synthesis", width, scale, inner as u8);
    let over_w = matrix(key, (2 * bins, width), &data, || {
        synthesis_matrix(width, scale, inner)
    })?;
    let rows = data.permute((1, 2, 0, 3))?.contiguous()?;
    let rows = rows.reshape((planes * h, 2 * bins))?.matmul(&over_w)?;
    Ok(rows.reshape([lead, &[h, width]].concat())?)
}

/// Complex planes `[2, ..., H, W]` to as many.
pub(crate) fn transform(data: &Tensor, scale: f64, direction: Direction) -> Result<Tensor> {
    let (lead, h, w) = split(&data.dims()[1..]);
    let planes = lead.iter().product::<usize>();
    let rows = data.reshape((2, planes, h, w))?.permute((1, 2, 0, 3))?;
    let over_w = complex(w, scale, direction, data)?;
    let rows = rows
        .contiguous()?
        .reshape((planes * h, 2 * w))?
        .matmul(&over_w)?;
    let rows = rows.reshape((planes, h, 2, w))?.permute((2, 0, 1, 3))?;
    Ok(over_columns(&rows, direction)?.reshape(data.shape())?)
}

/// The complex transform over `H` of `[2, P, H, bins]`, as one contiguous tensor.
fn over_columns(data: &Tensor, direction: Direction) -> Result<Tensor> {
    let (_, planes, h, bins) = data.dims4()?;
    if h == 1 {
        return Ok(data.contiguous()?);
    }
    let over_h = complex(h, 1.0, direction, data)?;
    let columns = data.permute((1, 3, 0, 2))?.contiguous()?;
    let columns = columns.reshape((planes * bins, 2 * h))?.matmul(&over_h)?;
    let columns = columns.reshape((planes, bins, 2, h))?;
    Ok(columns.permute((2, 0, 3, 1))?.contiguous()?)
}

fn split(dims: &[usize]) -> (&[usize], usize, usize) {
    let lead = dims.len() - 2;
    (&dims[..lead], dims[lead], dims[lead + 1])
}

fn key(name: &'static str, size: usize, scale: f64, variant: u8) -> Key {
    let sizes = [size, 0];
    Key {
        name,
        sizes,
        scale,
        variant,
    }
}

/// [`complex_matrix`] as a tensor.
fn complex(n: usize, scale: f64, direction: Direction, like: &Tensor) -> Result<Tensor> {
    let key = key("complex", n, scale, direction as u8);
    matrix(key, (2 * n, 2 * n), like, || {
        complex_matrix(n, scale, direction)
    })
}

/// Cosine and sine of the angle `2 pi i k / n`, reduced exactly first.
fn turn(i: usize, k: usize, n: usize) -> (f64, f64) {
    let (sin, cos) = (TAU * ((i * k) % n) as f64 / n as f64).sin_cos();
    (cos, sin)
}

/// How often column `k` of a half spectrum counts.
fn weight(k: usize, w: usize, inner: Inner) -> f64 {
    match inner {
        Inner::Twice if k != 0 && 2 * k != w => 2.0,
        _ => 1.0,
    }
}

/// `[W, 2 bins]`: a real row to the real, then the imaginary parts of its half spectrum.
fn analysis_matrix(w: usize, scale: f64, inner: Inner) -> Vec<f64> {
    let bins = w / 2 + 1;
    let mut matrix = Vec::with_capacity(w * 2 * bins);
    for i in 0..w {
        matrix.extend((0..bins).map(|k| scale * weight(k, w, inner) * turn(i, k, w).0));
        matrix.extend((0..bins).map(|k| -scale * weight(k, w, inner) * turn(i, k, w).1));
    }
    matrix
}

/// `[2 bins, W]`: the transpose of [`analysis_matrix`].
fn synthesis_matrix(w: usize, scale: f64, inner: Inner) -> Vec<f64> {
    let columns = 2 * (w / 2 + 1);
    let matrix = analysis_matrix(w, scale, inner);
    (0..columns)
        .flat_map(|k| (0..w).map(move |i| i * columns + k))
        .map(|at| matrix[at])
        .collect()
}

/// `[2 n, 2 n]`: real and imaginary parts of `n` samples to those of their spectrum; forward `re' =
/// C re + S im`, `im' = C im - S re`.
fn complex_matrix(n: usize, scale: f64, direction: Direction) -> Vec<f64> {
    let sign = match direction {
        Direction::Forward => scale,
        Direction::Inverse => -scale,
    };
    let mut matrix = Vec::with_capacity(4 * n * n);
    for i in 0..n {
        matrix.extend((0..n).map(|k| scale * turn(i, k, n).0));
        matrix.extend((0..n).map(|k| -sign * turn(i, k, n).1));
    }
    for i in 0..n {
        matrix.extend((0..n).map(|k| sign * turn(i, k, n).1));
        matrix.extend((0..n).map(|k| scale * turn(i, k, n).0));
    }
    matrix
}
