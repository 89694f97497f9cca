//! A complex spectrum as one real tensor, since candle has no complex element type.

use candle_core::{D, Tensor};

use crate::{Norm, Result};

/// The half spectrum of a real signal: a real tensor `[2, ..., H, W/2 + 1]`, real parts at index 0
/// of the leading axis and imaginary parts at index 1.
///
/// Columns `0..=W/2` are kept; the others are their complex conjugates, `X[h, k] = conj(X[-h,
/// -k])`. The spectrum remembers `W` itself (an even and an odd width share one number of columns)
/// and the [`Norm`] it was made with.
#[derive(Clone, Debug)]
pub struct Spectrum {
    data: Tensor,
    width: usize,
    norm: Norm,
}

impl Spectrum {
    pub(crate) fn new(data: Tensor, width: usize, norm: Norm) -> Self {
        Self { data, width, norm }
    }

    /// Both parts as one tensor, `[2, ..., H, W/2 + 1]`.
    pub fn as_tensor(&self) -> &Tensor {
        &self.data
    }

    /// Both parts as one tensor, `[2, ..., H, W/2 + 1]`, without the wrapper.
    pub fn into_tensor(self) -> Tensor {
        self.data
    }

    /// The real parts, `[..., H, W/2 + 1]`.
    pub fn re(&self) -> Result<Tensor> {
        Ok(self.data.get(0)?)
    }

    /// The imaginary parts, `[..., H, W/2 + 1]`.
    pub fn im(&self) -> Result<Tensor> {
        Ok(self.data.get(1)?)
    }

    /// The amplitudes `sqrt(re^2 + im^2)`, `[..., H, W/2 + 1]`.
    ///
    /// Differentiable; the gradient at amplitude zero, where none exists, is zero (PyTorch's choice
    /// too).
    pub fn amplitude(&self) -> Result<Tensor> {
        let power = self.data.sqr()?.sum(0)?;
        let silent = power.eq(0.0)?;
        let audible = silent.where_cond(&power.ones_like()?, &power)?.sqrt()?;
        Ok(silent.where_cond(&power.zeros_like()?, &audible)?)
    }

    /// The width `W` of the signal, in samples.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The height `H` of the signal, in samples.
    pub fn height(&self) -> Result<usize> {
        Ok(self.data.dim(D::Minus2)?)
    }

    /// The normalisation that the spectrum was made with.
    pub fn norm(&self) -> Norm {
        self.norm
    }
}
