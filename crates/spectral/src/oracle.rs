//! Slow and obvious: the definitions that everything fast in this crate is tested against.
//!
//! Kept public so that others can test their own transforms against them. Nothing here is meant for
//! use on data.

use std::f64::consts::TAU;

pub use rustfft::num_complex::Complex64;

use crate::{Norm, adaptive_bin};

/// The plain forward transform `X[k] = sum over n of x[n] * exp(-2 pi i n k / N)`, from its
/// definition.
pub fn dft(signal: &[Complex64]) -> Vec<Complex64> {
    transform(signal, -1.0)
}

/// The plain backward transform `x[n] = sum over k of X[k] * exp(+2 pi i n k / N)`, from its
/// definition. It carries no `1/N`: over `dft` it gives `N` times the signal.
pub fn inverse_dft(spectrum: &[Complex64]) -> Vec<Complex64> {
    transform(spectrum, 1.0)
}

fn transform(input: &[Complex64], sign: f64) -> Vec<Complex64> {
    let n = input.len();
    // The N distinct roots of unity; n k is reduced modulo N exactly, before it becomes an angle.
    let roots: Vec<_> = (0..n)
        .map(|j| Complex64::from_polar(1.0, sign * TAU * j as f64 / n as f64))
        .collect();
    (0..n)
        .map(|k| {
            input
                .iter()
                .enumerate()
                .map(|(i, x)| x * roots[i * k % n])
                .sum()
        })
        .collect()
}

/// The half spectrum `[H, W/2 + 1]` (row-major) of one real plane `[H, W]`: [`dft`] over every row,
/// then over every column, times the normalisation; the first `W/2 + 1` columns. `plane` must hold
/// `height * width` values.
pub fn rfft2(plane: &[f64], height: usize, width: usize, norm: Norm) -> Vec<Complex64> {
    let rows: Vec<Vec<_>> = plane
        .chunks_exact(width)
        .map(|row| dft(&row.iter().map(|&x| Complex64::from(x)).collect::<Vec<_>>()))
        .collect();
    // Said anew instead of asking `norm.scale`, so that a mistake there shows against this.
    let points = (height * width) as f64;
    let scale = match norm {
        Norm::Backward => 1.0,
        Norm::Ortho => points.sqrt().recip(),
        Norm::Forward => points.recip(),
    };
    let mut out = vec![Complex64::ZERO; height * (width / 2 + 1)];
    for k in 0..=width / 2 {
        let column: Vec<_> = rows.iter().map(|row| row[k % width]).collect();
        for (h, value) in dft(&column).into_iter().enumerate() {
            out[h * (width / 2 + 1) + k] = value * scale;
        }
    }
    out
}

/// The energy of the full spectrum whose half `[H, W/2 + 1]` is given: columns between the zero and
/// the Nyquist frequency stand for two.
pub fn energy_of_half_spectrum(half: &[Complex64], width: usize) -> f64 {
    let bins = width / 2 + 1;
    let weight = |k: usize| if k == 0 || 2 * k == width { 1.0 } else { 2.0 };
    half.iter()
        .enumerate()
        .map(|(i, x)| weight(i % bins) * x.norm_sqr())
        .sum()
}

/// Average pooling of a sequence into `outputs` bins, by the definition of [`adaptive_bin`].
pub fn adaptive_avg_pool(values: &[f64], outputs: usize) -> Vec<f64> {
    (0..outputs)
        .map(|index| {
            let bin = &values[adaptive_bin(index, values.len(), outputs)];
            bin.iter().sum::<f64>() / bin.len() as f64
        })
        .collect()
}
