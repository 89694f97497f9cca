//! The GELU activation.

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};

use crate::error::Result;
use crate::kernels::storage::{numbers, slice, tensor, unsupported};
use crate::kernels::{self, simd};
use crate::scalar;

/// GELU, exact: x times the standard normal distribution function of x, on tensors of any
/// shape (`torch.nn.GELU()`; not the tanh approximation).
///
/// ```
/// use candle_core::{Device, Tensor};
/// let y = spectralkd_nn::Gelu.forward(&Tensor::new(&[-1f32, 0.0, 1.0], &Device::Cpu)?)?;
/// let y = y.to_vec1::<f32>()?;
/// assert!((y[0] + 0.158655).abs() < 1e-6 && y[1] == 0.0 && (y[2] - 0.841345).abs() < 1e-6);
/// # Ok::<(), spectralkd_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Gelu;

impl Gelu {
    /// GELU of every element of `x`; same shape. On a CPU `x` must be F32 or F64.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if !x.device().is_cpu() {
            return self.forward_composed(x);
        }
        Ok(x.apply_op1(GeluOp)?)
    }

    /// The same out of candle's own operations: the path of other devices.
    pub fn forward_composed(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.gelu_erf()?)
    }
}

struct GeluOp;

impl CustomOp1 for GeluOp {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let y = match x {
            CpuStorage::F32(_) => {
                CpuStorage::F32(kernels::gelu::forward(simd::best(), &slice(x, layout)?))
            }
            CpuStorage::F64(_) => CpuStorage::F64(scalar::gelu::forward(&slice(x, layout)?)),
            _ => return Err(unsupported(self.name(), x)),
        };
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dx = if x.dtype() == DType::F64 {
            tensor(
                scalar::gelu::backward::<f64>(&numbers(x)?, &numbers(dy)?),
                x.shape(),
            )?
        } else {
            let dx = kernels::gelu::backward(simd::best(), &numbers(x)?, &numbers(dy)?);
            tensor(dx, x.shape())?
        };
        Ok(Some(dx))
    }
}
