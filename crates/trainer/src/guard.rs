//! What decides on the device whether and how far an update goes.

use candle_core::{DType, Result, Tensor};

/// Whether an update is made, and the factor of gradient clipping: scalars that stay on the device.
///
/// On a CPU, where reading them waits for nothing, the kernels take them as plain numbers.
#[derive(Clone, Debug)]
pub struct Guard {
    /// u8: where it is 0, nothing changes.
    pub go: Tensor,
    /// What every gradient is multiplied with; `None` for 1.
    pub scale: Option<Tensor>,
}

impl Guard {
    /// Both as numbers, where that is no read from a device.
    pub(crate) fn on_cpu(&self) -> Result<Option<(bool, f64)>> {
        let here = |t: &Tensor| t.device().is_cpu();
        if !here(&self.go) || !self.scale.as_ref().is_none_or(here) {
            return Ok(None);
        }
        let scale = match &self.scale {
            Some(scale) => scale.to_dtype(DType::F64)?.to_scalar()?,
            None => 1.0,
        };
        Ok(Some((self.go.to_scalar::<u8>()? != 0, scale)))
    }

    /// `new` where the update is made, `old` where it is not, to the bit.
    pub(crate) fn choose(&self, new: &Tensor, old: &Tensor) -> Result<Tensor> {
        self.go.broadcast_as(new.shape())?.where_cond(new, old)
    }

    /// A gradient times the factor, in its own type.
    pub(crate) fn scaled(&self, gradient: &Tensor) -> Result<Tensor> {
        match &self.scale {
            Some(scale) => gradient.broadcast_mul(&scale.to_dtype(gradient.dtype())?),
            None => Ok(gradient.clone()),
        }
    }
}
