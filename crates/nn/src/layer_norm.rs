//! Layer normalisation.

use candle_core::{CpuStorage, CustomOp3, D, DType, Layout, Shape, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::chain::{Chain, Of3};
use crate::error::{Error, Result};
use crate::kernels::layer_norm::{self as kernel, Affine};
use crate::kernels::simd;
use crate::kernels::storage::{numbers, slice, tensor, unsupported, wanted};
use crate::scalar::layer_norm as twin;

/// Layer norm over the last axis: (x - mean) / sqrt(var + eps) * weight + bias, with the
/// biased variance (`torch.nn.LayerNorm`).
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// A norm of `channels` channels with the parameters `weight` (1 at first) and `bias`
    /// (0), each `[channels]`. timm's `eps` is 1e-6 for DeiT and CaiT, 1e-5 for Swin.
    pub fn new(channels: usize, eps: f64, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            weight: vb.get_with_hints(channels, "weight", Init::Const(1.0))?,
            bias: vb.get_with_hints(channels, "bias", Init::Const(0.0))?,
            eps,
        })
    }

    /// The normalised rows of `x`, [..., channels]; same shape. F32 or F64 on a CPU.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        if !x.device().is_cpu() {
            return self.forward_composed(x);
        }
        Ok(x.apply_op3(&self.weight, &self.bias, LayerNormOp { eps: self.eps })?)
    }

    /// The norm as a link, where it has a kernel for `x`.
    pub(crate) fn operations(&self, x: &Tensor) -> Result<Option<Chain>> {
        self.check(x)?;
        if !x.device().is_cpu() {
            return Ok(None);
        }
        let parameters = [self.weight.clone(), self.bias.clone()];
        let op = LayerNormOp { eps: self.eps };
        let cheap = true;
        Ok(Some(vec![Box::new(Of3 {
            op,
            parameters,
            cheap,
        })]))
    }

    /// The same out of candle's own operations: the path of other devices.
    pub fn forward_composed(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normal = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        Ok(normal
            .broadcast_mul(&self.weight)?
            .broadcast_add(&self.bias)?)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        let channels = self.weight.elem_count();
        if channels > 0 && x.dims().last() == Some(&channels) {
            return Ok(());
        }
        Err(Error::Shape {
            layer: "LayerNorm",
            expected: format!("[..., {channels}]"),
            got: x.dims().to_vec(),
        })
    }
}

struct LayerNormOp {
    eps: f64,
}

impl CustomOp3 for LayerNormOp {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let y = match x {
            CpuStorage::F32(_) => {
                let affine = Affine {
                    weight: &slice(weight, weight_layout)?,
                    bias: &slice(bias, bias_layout)?,
                    eps: self.eps as f32,
                };
                CpuStorage::F32(kernel::forward(simd::best(), affine, &slice(x, x_layout)?))
            }
            CpuStorage::F64(_) => {
                let (weight, bias) = (slice(weight, weight_layout)?, slice(bias, bias_layout)?);
                CpuStorage::F64(twin::forward(
                    &slice(x, x_layout)?,
                    &weight,
                    &bias,
                    self.eps,
                ))
            }
            _ => return Err(unsupported(self.name(), x)),
        };
        Ok((y, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let channels = weight.elem_count();
        let (dx, sums) = if x.dtype() == DType::F64 {
            let (dx, sums) =
                twin::backward::<f64>(&numbers(x)?, &numbers(weight)?, self.eps, &numbers(dy)?);
            (tensor(dx, x.shape())?, tensor(sums, 2 * channels)?)
        } else {
            let (weight, bias) = (numbers(weight)?, numbers(bias)?);
            let affine = Affine {
                weight: &weight,
                bias: &bias,
                eps: self.eps as f32,
            };
            let (dx, sums) = kernel::backward(simd::best(), affine, &numbers(x)?, &numbers(dy)?);
            (tensor(dx, x.shape())?, tensor(sums, 2 * channels)?)
        };
        let dw = sums.narrow(0, 0, channels)?;
        let db = sums.narrow(0, channels, channels)?;
        Ok((wanted(x, dx), wanted(weight, dw), wanted(bias, db)))
    }
}
