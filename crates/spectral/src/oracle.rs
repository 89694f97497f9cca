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

/// The factor on the sum of a forward transform, said anew instead of asking [`Norm::scale`], so
/// that a mistake there shows against this.
fn forward_scale(norm: Norm, points: f64) -> f64 {
    match norm {
        Norm::Backward => 1.0,
        Norm::Ortho => points.sqrt().recip(),
        Norm::Forward => points.recip(),
    }
}

/// The factor on the sum of an inverse transform, said anew as well.
fn inverse_scale(norm: Norm, points: f64) -> f64 {
    match norm {
        Norm::Backward => points.recip(),
        Norm::Ortho => points.sqrt().recip(),
        Norm::Forward => 1.0,
    }
}

/// The transform of one complex plane `[H, W]` (row-major): [`dft`] over every row, then over every
/// column, times the normalisation. With `height == 1` the transform of a sequence.
pub fn fft2(plane: &[Complex64], height: usize, width: usize, norm: Norm) -> Vec<Complex64> {
    let scale = forward_scale(norm, (height * width) as f64);
    over_plane(plane, height, width, dft, scale)
}

/// The inverse of [`fft2`]: [`inverse_dft`] over every row, then over every column, times the
/// normalisation.
pub fn ifft2(plane: &[Complex64], height: usize, width: usize, norm: Norm) -> Vec<Complex64> {
    let scale = inverse_scale(norm, (height * width) as f64);
    over_plane(plane, height, width, inverse_dft, scale)
}

fn over_plane(
    plane: &[Complex64],
    height: usize,
    width: usize,
    transform: impl Fn(&[Complex64]) -> Vec<Complex64>,
    scale: f64,
) -> Vec<Complex64> {
    let rows: Vec<Vec<_>> = plane.chunks_exact(width).map(&transform).collect();
    let mut out = vec![Complex64::ZERO; height * width];
    for k in 0..width {
        let column: Vec<_> = rows.iter().map(|row| row[k]).collect();
        for (h, value) in transform(&column).into_iter().enumerate() {
            out[h * width + k] = value * scale;
        }
    }
    out
}

/// The half spectrum `[H, W/2 + 1]` (row-major) of one real plane `[H, W]`: the first columns of
/// [`fft2`]. `plane` must hold `height * width` values. With `height == 1` that of a sequence.
pub fn rfft2(plane: &[f64], height: usize, width: usize, norm: Norm) -> Vec<Complex64> {
    let plane: Vec<_> = plane.iter().map(|&x| Complex64::from(x)).collect();
    let full = fft2(&plane, height, width, norm);
    let rows = full.chunks_exact(width);
    rows.flat_map(|row| row[..=width / 2].to_vec()).collect()
}

/// The real plane `[H, W]` whose half spectrum `[H, W/2 + 1]` is given: inverse over every column,
/// then every row completed by its mirror image (the imaginary parts of bin 0 and of the Nyquist
/// bin dropped, as no real row has any) and inverted.
pub fn irfft2(half: &[Complex64], height: usize, width: usize, norm: Norm) -> Vec<f64> {
    let bins = width / 2 + 1;
    let scale = inverse_scale(norm, (height * width) as f64);
    let columns: Vec<Vec<_>> = (0..bins)
        .map(|k| (0..height).map(|h| half[h * bins + k]).collect::<Vec<_>>())
        .map(|column| inverse_dft(&column))
        .collect();
    let row = |h: usize| {
        let full = (0..width).map(|k| {
            if k == 0 || 2 * k == width {
                Complex64::from(columns[k][h].re)
            } else if k < bins {
                columns[k][h]
            } else {
                columns[width - k][h].conj()
            }
        });
        inverse_dft(&full.collect::<Vec<_>>())
    };
    let values = (0..height).flat_map(row).map(|x| x.re * scale);
    values.collect()
}

/// Resizes a real sequence from `n` to `outputs` samples by the definition of
/// [`crate::resize_axis`]: the trigonometric polynomial through the samples, without frequencies
/// above half of the lower rate, evaluated at `t * n / outputs`.
pub fn resize(values: &[f64], outputs: usize) -> Vec<f64> {
    let n = values.len();
    let kept = n.min(outputs);
    let signal: Vec<_> = values.iter().map(|&x| Complex64::from(x)).collect();
    let coefficients = dft(&signal);
    let wave = |k: usize, t: usize| {
        let angle = TAU * ((k * t) % outputs) as f64 / outputs as f64;
        coefficients[k] * Complex64::from_polar(1.0 / n as f64, angle)
    };
    let sample = |t: usize| {
        let mean = coefficients[0].re / n as f64;
        let pairs: f64 = (1..kept.div_ceil(2)).map(|k| 2.0 * wave(k, t).re).sum();
        // The Nyquist bin of the shorter side: two frequencies in one bin going up, two bins in one
        // going down.
        let nyquist = match (kept.is_multiple_of(2), outputs > n) {
            (false, _) => 0.0,
            (true, true) => wave(kept / 2, t).re,
            (true, false) => 2.0 * wave(kept / 2, t).re,
        };
        mean + pairs + nyquist
    };
    if n == outputs {
        return values.to_vec();
    }
    (0..outputs).map(sample).collect()
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
