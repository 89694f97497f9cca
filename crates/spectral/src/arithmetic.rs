//! Arithmetic of spectra: everything that is linear or pointwise on complex numbers.

use candle_core::Tensor;

use crate::{Error, Result, Spectrum};

impl Spectrum {
    /// The complex conjugate. Differentiable.
    pub fn conj(&self) -> Result<Self> {
        let data = self.as_tensor();
        let (re, im) = (data.narrow(0, 0, 1)?, data.narrow(0, 1, 1)?);
        Ok(self.with_data(Tensor::cat(&[re, im.neg()?], 0)?))
    }

    /// Every bin times a real number. Differentiable.
    pub fn scale(&self, factor: f64) -> Result<Self> {
        Ok(self.with_data((self.as_tensor() * factor)?))
    }

    /// The sum with a spectrum of the same kind. Differentiable.
    ///
    /// # Errors
    /// If shapes, transformed axes, samples of the halved axis or norms differ.
    pub fn add(&self, other: &Self) -> Result<Self> {
        self.check_like("Spectrum::add", other)?;
        Ok(self.with_data((self.as_tensor() + other.as_tensor())?))
    }

    /// The difference from a spectrum of the same kind. Differentiable.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn sub(&self, other: &Self) -> Result<Self> {
        self.check_like("Spectrum::sub", other)?;
        Ok(self.with_data((self.as_tensor() - other.as_tensor())?))
    }

    /// Every bin times the same bin of another spectrum of the same kind: circular convolution of
    /// the signals (for the backward norm). Differentiable.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn mul(&self, other: &Self) -> Result<Self> {
        self.check_like("Spectrum::mul", other)?;
        let (a, b, c, d) = (self.re()?, self.im()?, other.re()?, other.im()?);
        let re = ((&a * &c)? - (&b * &d)?)?;
        let im = ((a * d)? + (b * c)?)?;
        Ok(self.with_data(Tensor::stack(&[re, im], 0)?))
    }

    /// Every bin times a real mask that broadcasts to [`Self::dims`] (say `[H, W/2 + 1]`; see
    /// [`crate::FrequencyGrid::low_pass`]). The mask takes the spectrum's element type and device.
    /// Differentiable in both.
    ///
    /// # Errors
    /// If the mask does not broadcast to the shape of the spectrum.
    pub fn mask(&self, mask: &Tensor) -> Result<Self> {
        let data = self.as_tensor();
        let fits = mask.rank() <= self.dims().len()
            && (mask.dims().iter().rev())
                .zip(self.dims().iter().rev())
                .all(|(&mask, &size)| mask == size || mask == 1);
        if !fits {
            return Err(Error::Mismatch {
                op: "Spectrum::mask",
                left: format!("a mask of shape {:?}", mask.dims()),
                right: format!("a spectrum of shape {:?}", self.dims()),
            });
        }
        let mask = mask.to_dtype(data.dtype())?.to_device(data.device())?;
        Ok(self.with_data(data.broadcast_mul(&mask)?))
    }

    fn check_like(&self, op: &'static str, other: &Self) -> Result<()> {
        if self.is_like(other) {
            return Ok(());
        }
        let describe = |spectrum: &Self| {
            format!(
                "the spectrum of a signal of shape {:?} over axes {:?}, {}, norm {:?}",
                spectrum.signal_dims(),
                spectrum.axes(),
                spectrum.half_axis().map_or("full", |_| "half"),
                spectrum.norm()
            )
        };
        Err(Error::Mismatch {
            op,
            left: describe(self),
            right: describe(other),
        })
    }
}
