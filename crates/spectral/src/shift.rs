//! The zero frequency in the middle, and back.

use candle_core::Tensor;
use candle_core::shape::Dims;

use crate::Result;

/// Moves the zero frequency from the start to the middle (index `n/2`, integer division) of the
/// given axes, as `numpy.fft.fftshift`. For full spectra and for masks and amplitudes of their shape;
/// the halved axis of a half spectrum starts with the zero frequency and should stay so. Any element
/// type. Differentiable.
///
/// # Errors
/// Axes that do not exist or are named twice.
pub fn fftshift(x: &Tensor, axes: impl Dims) -> Result<Tensor> {
    shift("fftshift", x, axes, |n| n / 2)
}

/// Undoes [`fftshift`], for odd sizes too, as `numpy.fft.ifftshift`. Differentiable.
///
/// # Errors
/// As [`fftshift`].
pub fn ifftshift(x: &Tensor, axes: impl Dims) -> Result<Tensor> {
    shift("ifftshift", x, axes, |n| n.div_ceil(2))
}

/// Rolls each axis towards higher indices.
fn shift(
    op: &'static str,
    x: &Tensor,
    axes: impl Dims,
    by: impl Fn(usize) -> usize,
) -> Result<Tensor> {
    let mut shifted = x.clone();
    for axis in axes.to_indexes(x.shape(), op)? {
        let n = x.dims()[axis];
        if n > 1 {
            let tail = by(n) % n;
            let (head, tail) = (
                shifted.narrow(axis, 0, n - tail)?,
                shifted.narrow(axis, n - tail, tail)?,
            );
            shifted = Tensor::cat(&[tail, head], axis)?;
        }
    }
    Ok(shifted)
}
