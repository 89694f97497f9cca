//! The transform as two dense matrix products, for devices without a fast Fourier transform of
//! ours.
//!
//! On a GPU a feature map's transform is a small matrix product, and candle differentiates it by
//! itself. The cost grows with `H + W` per sample instead of `log(H W)`.

use std::f64::consts::TAU;

use candle_core::{Device, Tensor};

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
    let dims = x.dims();
    let (lead, h, w) = (
        &dims[..dims.len() - 2],
        dims[dims.len() - 2],
        dims[dims.len() - 1],
    );
    let (planes, bins) = (lead.iter().product::<usize>(), w / 2 + 1);

    // Over W: [P H, W] by [W, 2 bins], real columns before imaginary ones.
    let over_w = row_matrix(w, bins, norm.scale(h * w));
    let over_w = tensor(&over_w, (w, 2 * bins), &x)?;
    let rows = x.reshape((planes * h, w))?.matmul(&over_w)?;

    // Over H: [P bins, 2 H] by [2 H, 2 H], the real and imaginary parts of a column side by side.
    let columns = rows.reshape((planes, h, 2, bins))?.permute((0, 3, 2, 1))?;
    let over_h = tensor(&column_matrix(h), (2 * h, 2 * h), &x)?;
    let columns = columns
        .contiguous()?
        .reshape((planes * bins, 2 * h))?
        .matmul(&over_h)?;

    let data = columns
        .reshape((planes, bins, 2, h))?
        .permute((2, 0, 3, 1))?
        .contiguous()?;
    let mut shape = vec![2];
    shape.extend_from_slice(lead);
    shape.extend_from_slice(&[h, bins]);
    Ok(Spectrum::new(data.reshape(shape)?, w, norm))
}

fn tensor(values: &[f64], shape: (usize, usize), like: &Tensor) -> Result<Tensor> {
    let matrix = Tensor::from_slice(values, shape, &Device::Cpu)?;
    Ok(matrix.to_dtype(like.dtype())?.to_device(like.device())?)
}

/// Cosine and sine of the angle `2 pi i k / n`, reduced exactly first.
fn turn(i: usize, k: usize, n: usize) -> (f64, f64) {
    let (sin, cos) = (TAU * ((i * k) % n) as f64 / n as f64).sin_cos();
    (cos, sin)
}

/// `[W, 2 bins]`: a real row to the real, then the imaginary parts of its half spectrum.
fn row_matrix(w: usize, bins: usize, scale: f64) -> Vec<f64> {
    let mut matrix = Vec::with_capacity(w * 2 * bins);
    for i in 0..w {
        matrix.extend((0..bins).map(|k| scale * turn(i, k, w).0));
        matrix.extend((0..bins).map(|k| -scale * turn(i, k, w).1));
    }
    matrix
}

/// `[2 H, 2 H]`: real and imaginary parts of a column to those of its spectrum,
/// `re' = C re + S im`, `im' = C im - S re`.
fn column_matrix(h: usize) -> Vec<f64> {
    let mut matrix = Vec::with_capacity(4 * h * h);
    for i in 0..h {
        matrix.extend((0..h).map(|k| turn(i, k, h).0));
        matrix.extend((0..h).map(|k| -turn(i, k, h).1));
    }
    for i in 0..h {
        matrix.extend((0..h).map(|k| turn(i, k, h).1));
        matrix.extend((0..h).map(|k| turn(i, k, h).0));
    }
    matrix
}
