//! Real signals to half spectra and back.

use candle_core::shape::{Dim, Dims};
use candle_core::{D, Tensor};

use super::axes::{self, move_back, move_last};
use super::plane;
use crate::kernels::Inner;
use crate::real::to_working_precision;
use crate::{Error, Norm, Result, Spectrum};

/// The discrete Fourier transform of `n` real samples along one axis, bins `0..=n/2`:
///
/// `X[k] = s * sum over t of x[t] * exp(-2 pi i t k / n)`, with `s = norm.scale(n)`.
///
/// `[..., n, ...]` to a [`Spectrum`] `[2, ..., n/2 + 1, ...]`. As `numpy.fft.rfft(x, axis=…,
/// norm=…)`. Half types are computed in f32 and the spectrum is f32. Differentiable.
///
/// # Errors
/// An axis that does not exist or is empty, or an element type that is not floating point.
pub fn rfft(x: &Tensor, axis: impl Dim, norm: Norm) -> Result<Spectrum> {
    let axis = axes::one("rfft", x.dims(), axis)?;
    forward("rfft", x, &[axis], norm)
}

/// The inverse of [`rfft`]: the `n` real samples whose half spectrum is given, `[2, ..., n/2 + 1,
/// ...]` to `[..., n, ...]`:
///
/// `x[t] = s * Re(sum over k of a[k] * X[k] * exp(+2 pi i t k / n))`, with `s =
/// norm.inverse_scale(n)`, `a[k] = 1` for the zero and the Nyquist frequency (whose imaginary parts
/// thus count for nothing) and 2 for the bins between, which stand for their mirror images too.
///
/// As `numpy.fft.irfft(X, n, axis=…, norm=…)`. `n` is needed because `2m` and `2m + 1` samples have
/// equally many bins; unlike NumPy's, it never crops or pads. Differentiable.
///
/// # Errors
/// An axis that does not exist or is not the halved one of this spectrum, or an `n` with another
/// number of bins (or another `n` than the spectrum remembers).
pub fn irfft(spectrum: &Spectrum, n: usize, axis: impl Dim, norm: Norm) -> Result<Tensor> {
    let axis = axes::one("irfft", spectrum.dims(), axis)?;
    inverse("irfft", spectrum, n, &[axis], norm)
}

/// The 2-D discrete Fourier transform over the last two axes of a real tensor `[..., H, W]`,
/// columns `0..=W/2`:
///
/// `X[h', k] = s * sum over h, w of x[h, w] * exp(-2 pi i (h h' / H + w k / W))`,
/// with `s = norm.scale(H * W)`.
///
/// The same as `torch.fft.rfft2(x, norm=…)`. f32 and f64 are computed as they are, f16 and bf16 in
/// f32 (and the spectrum is f32 then); any strides. Differentiable: the gradient is the transform's
/// adjoint. On the CPU it is a fast Fourier transform, parallel over planes with results that do
/// not depend on the number of threads; on other devices it is [`crate::rfft2_by_matrices`].
///
/// # Errors
/// Fewer than two axes, an empty `H` or `W`, or an element type that is not floating point.
pub fn rfft2(x: &Tensor, norm: Norm) -> Result<Spectrum> {
    crate::real::check_axes("rfft2", "[..., H, W]", x, &["H", "W"])?;
    forward("rfft2", x, &[x.rank() - 2, x.rank() - 1], norm)
}

/// [`rfft2`] over any two different axes, of which the second is the halved one.
///
/// # Errors
/// Other than two axes, axes that do not exist or are empty, or an element type that is not
/// floating point.
pub fn rfft2_over(x: &Tensor, axes: impl Dims, norm: Norm) -> Result<Spectrum> {
    let axes = axes::two("rfft2_over", x.dims(), axes)?;
    forward("rfft2_over", x, &axes, norm)
}

/// The inverse of [`rfft2`]: `[2, ..., H, W/2 + 1]` to the real planes `[..., H, W]`, with `width`
/// the samples `W` along the last axis. Normalised by `norm.inverse_scale(H * W)`; inverse over `H`
/// first, then as [`irfft`]. As `numpy.fft.irfft2(X, (H, W), norm=…)`. Differentiable.
///
/// # Errors
/// Fewer than two axes, an empty one, or a width with another number of bins.
pub fn irfft2(spectrum: &Spectrum, width: usize, norm: Norm) -> Result<Tensor> {
    let axes = axes::two("irfft2", spectrum.dims(), (D::Minus2, D::Minus1))?;
    inverse("irfft2", spectrum, width, &axes, norm)
}

/// [`irfft2`] over any two different axes; `n` is the samples along the second.
///
/// # Errors
/// As [`irfft2`], and axes that do not exist.
pub fn irfft2_over(spectrum: &Spectrum, n: usize, axes: impl Dims, norm: Norm) -> Result<Tensor> {
    let axes = axes::two("irfft2_over", spectrum.dims(), axes)?;
    inverse("irfft2_over", spectrum, n, &axes, norm)
}

fn forward(op: &'static str, x: &Tensor, axes: &[usize], norm: Norm) -> Result<Spectrum> {
    let x = to_working_precision(op, x)?;
    let sizes: Vec<usize> = axes.iter().map(|&axis| x.dims()[axis]).collect();
    let scale = norm.scale(sizes.iter().product());
    let data = plane::analyse(&move_last(&x, axes)?, scale, Inner::Once)?;
    let data = move_back(&data, &shifted(axes))?;
    Ok(Spectrum::of(
        data,
        axes.to_vec(),
        sizes.last().copied(),
        norm,
    ))
}

fn inverse(
    op: &'static str,
    spectrum: &Spectrum,
    n: usize,
    axes: &[usize],
    norm: Norm,
) -> Result<Tensor> {
    let (shape, last) = (spectrum.dims(), axes[axes.len() - 1]);
    if let (Some(half), Some(samples)) = (spectrum.half_axis(), spectrum.half_samples())
        && half != last
    {
        return Err(Error::HalfSpectrum {
            op,
            axis: last,
            half,
            n: samples,
            shape: shape.to_vec(),
        });
    }
    let remembered = spectrum.half_samples().unwrap_or(n);
    if shape[last] != n / 2 + 1 || remembered != n || n == 0 {
        return Err(Error::Bins {
            op,
            n,
            expected: n / 2 + 1,
            got: shape[last],
            axis: last,
            shape: shape.to_vec(),
        });
    }
    let points = axes[..axes.len() - 1]
        .iter()
        .fold(n, |points, &axis| points * shape[axis]);
    let planes = move_last(spectrum.as_tensor(), &shifted(axes))?;
    let signal = plane::synthesise(&planes, n, norm.inverse_scale(points), Inner::Twice)?;
    move_back(&signal, axes)
}

/// The axes of a spectrum's tensor, behind the leading axis of 2.
pub(super) fn shifted(axes: &[usize]) -> Vec<usize> {
    axes.iter().map(|axis| axis + 1).collect()
}
