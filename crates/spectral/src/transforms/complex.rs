//! Complex signals to full spectra and back.

use candle_core::D;
use candle_core::shape::{Dim, Dims};

use super::axes::{self, move_back, move_last};
use super::{plane, real::shifted};
use crate::kernels::Direction;
use crate::{Error, Norm, Result, Signal, Spectrum};

/// The discrete Fourier transform of `n` samples along one axis, all bins `0..n`:
///
/// `X[k] = s * sum over t of x[t] * exp(-2 pi i t k / n)`, with `s = norm.scale(n)`.
///
/// Takes a real tensor `[..., n, ...]` or a complex one ([`Spectrum`] `[2, ..., n, ...]`) and gives
/// `[2, ..., n, ...]`. As `numpy.fft.fft(x, axis=…, norm=…)`. Half types are computed in f32 and
/// the spectrum is f32. Differentiable: the gradient is the unnormalised inverse times `s`.
///
/// # Errors
/// An axis that does not exist, is empty or is the halved one of a half spectrum, or an element
/// type that is not floating point.
pub fn fft(x: &impl Signal, axis: impl Dim, norm: Norm) -> Result<Spectrum> {
    along("fft", x, axis, norm, Direction::Forward)
}

/// The inverse of [`fft`]: `x[t] = s * sum over k of X[k] * exp(+2 pi i t k / n)`, with `s =
/// norm.inverse_scale(n)`. As `numpy.fft.ifft(X, axis=…, norm=…)`. The result is complex; a real
/// signal is its [`Spectrum::re`]. Differentiable.
///
/// # Errors
/// As [`fft`].
pub fn ifft(x: &impl Signal, axis: impl Dim, norm: Norm) -> Result<Spectrum> {
    along("ifft", x, axis, norm, Direction::Inverse)
}

/// The 2-D discrete Fourier transform over the last two axes `[..., H, W]`, all bins:
///
/// `X[h', k] = s * sum over h, w of x[h, w] * exp(-2 pi i (h h' / H + w k / W))`,
/// with `s = norm.scale(H * W)`.
///
/// As `numpy.fft.fft2(x, norm=…)`; types as [`fft`]. Differentiable.
///
/// # Errors
/// As [`fft`].
pub fn fft2(x: &impl Signal, norm: Norm) -> Result<Spectrum> {
    over("fft2", x, (D::Minus2, D::Minus1), norm, Direction::Forward)
}

/// [`fft2`] over any two different axes.
///
/// # Errors
/// As [`fft`], and other than two axes.
pub fn fft2_over(x: &impl Signal, axes: impl Dims, norm: Norm) -> Result<Spectrum> {
    over("fft2_over", x, axes, norm, Direction::Forward)
}

/// The inverse of [`fft2`], normalised by `norm.inverse_scale(H * W)`. As `numpy.fft.ifft2(X,
/// norm=…)`. Differentiable.
///
/// # Errors
/// As [`fft`].
pub fn ifft2(x: &impl Signal, norm: Norm) -> Result<Spectrum> {
    over("ifft2", x, (D::Minus2, D::Minus1), norm, Direction::Inverse)
}

/// [`ifft2`] over any two different axes.
///
/// # Errors
/// As [`fft`], and other than two axes.
pub fn ifft2_over(x: &impl Signal, axes: impl Dims, norm: Norm) -> Result<Spectrum> {
    over("ifft2_over", x, axes, norm, Direction::Inverse)
}

fn along(
    op: &'static str,
    x: &impl Signal,
    axis: impl Dim,
    norm: Norm,
    direction: Direction,
) -> Result<Spectrum> {
    let x = x.to_complex(op)?;
    let axis = axes::one(op, x.dims(), axis)?;
    transform(op, &x, &[axis], norm, direction)
}

fn over(
    op: &'static str,
    x: &impl Signal,
    axes: impl Dims,
    norm: Norm,
    direction: Direction,
) -> Result<Spectrum> {
    let x = x.to_complex(op)?;
    let axes = axes::two(op, x.dims(), axes)?;
    transform(op, &x, &axes, norm, direction)
}

fn transform(
    op: &'static str,
    x: &Spectrum,
    axes: &[usize],
    norm: Norm,
    direction: Direction,
) -> Result<Spectrum> {
    if let (Some(half), Some(n)) = (x.half_axis(), x.half_samples())
        && axes.contains(&half)
    {
        return Err(Error::HalfSpectrum {
            op,
            axis: half,
            half,
            n,
            shape: x.dims().to_vec(),
        });
    }
    let points = axes.iter().map(|&axis| x.dims()[axis]).product();
    let scale = match direction {
        Direction::Forward => norm.scale(points),
        Direction::Inverse => norm.inverse_scale(points),
    };
    let planes = move_last(x.as_tensor(), &shifted(axes))?;
    let data = move_back(
        &plane::transform(&planes, scale, direction)?,
        &shifted(axes),
    )?;
    // The halved axis, if there is one, stays last.
    let others = x.axes().iter().copied().filter(|axis| !axes.contains(axis));
    let axes = match direction {
        Direction::Forward => axes.iter().copied().chain(others).collect(),
        Direction::Inverse => others.collect(),
    };
    Ok(Spectrum::of(data, axes, x.half_samples(), norm))
}
