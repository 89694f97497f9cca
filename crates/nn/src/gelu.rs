//! The GELU activation.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

use crate::builder::Form;
use crate::error::Result;
use crate::kernels::storage::{numbers, only_f32, slice, tensor};
use crate::kernels::{self, simd};

/// GELU of every element of `x`, exact: x times the standard normal distribution function of x, on
/// tensors of any shape (`torch.nn.GELU()`; not the tanh approximation).
///
/// # Errors
/// A type that has no such form: the kernels are for F32 on a CPU.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use spectralkd_nn::{Form, gelu};
///
/// let y = gelu(&Tensor::new(&[-1f32, 0.0, 1.0], &Device::Cpu)?, Form::Kernels)?;
/// let y = y.to_vec1::<f32>()?;
/// assert!((y[0] + 0.158655).abs() < 1e-6 && y[1] == 0.0 && (y[2] - 0.841345).abs() < 1e-6);
/// # Ok::<(), spectralkd_nn::Error>(())
/// ```
pub fn gelu(x: &Tensor, form: Form) -> Result<Tensor> {
    match form {
        Form::Kernels => Ok(x.apply_op1(GeluOp)?),
        Form::Composed => composed(x),
    }
}

/// GELU by the error function. (candle's own `gelu_erf` has a gradient that is good to 1.8e-7 only, in f64 too.)
pub(crate) fn composed(x: &Tensor) -> Result<Tensor> {
    let erf = (x * std::f64::consts::FRAC_1_SQRT_2)?.erf()?;
    Ok((x * ((erf + 1.0)? * 0.5)?)?)
}

struct GeluOp;

impl CustomOp1 for GeluOp {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        only_f32(self.name(), x)?;
        let y = kernels::gelu::forward(simd::best(), &slice(x, layout)?);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dx = kernels::gelu::backward(simd::best(), &numbers(x)?, &numbers(dy)?);
        Ok(Some(tensor(dx, x.shape())?))
    }
}
