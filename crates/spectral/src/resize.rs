//! Resizing in the spectral domain.

use candle_core::shape::Dim;
use candle_core::{D, Tensor};

use crate::real::{check_axes, to_working_precision};
use crate::{Error, Norm, Result, Spectrum, irfft, rfft};

/// Resizes the planes of `[..., H, W]` to `[..., size[0], size[1]]` in the spectral domain: the
/// centred full spectrum is cropped, or padded with zeros. [`resize_axis`] along both axes.
///
/// # Errors
/// Fewer than two axes, an empty `H` or `W`, a size of 0, or an element type that is not floating
/// point.
pub fn resize(x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
    check_axes("resize", "[..., H, W]", x, &["H", "W"])?;
    resize_axis(&resize_axis(x, D::Minus1, size[1])?, D::Minus2, size[0])
}

/// Resizes one axis from `n` to `m` samples in the spectral domain, as `scipy.signal.resample(x, m,
/// axis=…)`: the signal is read as the one trigonometric polynomial through its `n` periodic
/// samples, frequencies above half of the new rate are dropped, and it is sampled anew at `t * n /
/// m`.
///
/// Values keep their scale (a constant stays that constant, the mean never changes). With `N =
/// min(n, m)` even, its Nyquist bin stands for the frequencies `+N/2` and `-N/2` together: going up
/// it is split into two halves, going down the two are added, so that real signals stay real; up
/// and down again is the identity. With `m == n` the tensor itself comes back. The element type is
/// kept (f16 and bf16 are computed in f32); any strides. Differentiable.
///
/// # Errors
/// An axis that does not exist or is empty, a size of 0, or an element type that is not floating
/// point.
pub fn resize_axis(x: &Tensor, axis: impl Dim, size: usize) -> Result<Tensor> {
    const OP: &str = "resize";
    let axis = axis.to_index(x.shape(), OP)?;
    let samples = x.dims()[axis];
    if size == 0 {
        return Err(Error::Range {
            op: OP,
            what: "the new size",
            range: "at least 1",
            value: "0".to_owned(),
        });
    }
    let working = to_working_precision(OP, x)?;
    if size == samples {
        return Ok(x.clone());
    }
    // The forward norm gives means: coefficients that do not depend on the number of samples.
    let spectrum = rfft(&working, axis, Norm::Forward)?;
    let data = spectrum.as_tensor();
    let (bins, kept) = (size / 2 + 1, samples.min(size) / 2 + 1);
    let mut parts = vec![data.narrow(axis + 1, 0, kept)?];
    if samples.min(size).is_multiple_of(2) {
        let nyquist = data.narrow(axis + 1, kept - 1, 1)?;
        let nyquist = (nyquist * if size > samples { 0.5 } else { 2.0 })?;
        parts = vec![data.narrow(axis + 1, 0, kept - 1)?, nyquist];
    }
    if bins > kept {
        let mut shape = data.dims().to_vec();
        shape[axis + 1] = bins - kept;
        parts.push(Tensor::zeros(shape, data.dtype(), data.device())?);
    }
    let data = Tensor::cat(&parts, axis + 1)?;
    let spectrum = Spectrum::of(data, vec![axis], Some(size), Norm::Forward);
    Ok(irfft(&spectrum, size, axis, Norm::Forward)?.to_dtype(x.dtype())?)
}
