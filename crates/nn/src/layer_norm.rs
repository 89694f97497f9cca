//! Layer normalisation.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Shape, Tensor};
use candle_nn::Init;

use crate::builder::{Builder, Form};
use crate::chain::{Chain, Of3};
use crate::error::{Error, Result};
use crate::kernels::layer_norm::{self as kernel, Affine};
use crate::kernels::simd;
use crate::kernels::storage::{numbers, only_f32, slice, tensor, wanted};

/// Layer norm over the last axis: (x - mean) / sqrt(var + eps) * weight + bias, with the
/// biased variance (`torch.nn.LayerNorm`).
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
    form: Form,
}

impl LayerNorm {
    /// A norm of `channels` channels with the parameters `weight` (1 at first) and `bias`
    /// (0), each `[channels]`. timm's `eps` is 1e-6 for DeiT and CaiT, 1e-5 for Swin.
    pub fn new<'a>(channels: usize, eps: f64, vb: impl Into<Builder<'a>>) -> Result<Self> {
        let vb = vb.into();
        Ok(Self {
            weight: vb.get(channels, "weight", Init::Const(1.0))?,
            bias: vb.get(channels, "bias", Init::Const(0.0))?,
            eps,
            form: vb.form(),
        })
    }

    /// The normalised rows of `x`, [..., channels]; same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        if self.form == Form::Composed {
            return self.composed(x);
        }
        Ok(x.apply_op3(&self.weight, &self.bias, LayerNormOp { eps: self.eps })?)
    }

    /// The norm as a link, where it has a kernel.
    pub(crate) fn operations(&self, x: &Tensor) -> Result<Option<Chain>> {
        self.check(x)?;
        if self.form == Form::Composed {
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

    fn composed(&self, x: &Tensor) -> Result<Tensor> {
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
        only_f32(self.name(), x)?;
        let affine = Affine {
            weight: &slice(weight, weight_layout)?,
            bias: &slice(bias, bias_layout)?,
            eps: self.eps as f32,
        };
        let y = kernel::forward(simd::best(), affine, &slice(x, x_layout)?);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
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
        let affine = Affine {
            weight: &numbers(weight)?,
            bias: &numbers(bias)?,
            eps: self.eps as f32,
        };
        let (dx, sums) = kernel::backward(simd::best(), affine, &numbers(x)?, &numbers(dy)?);
        let (dx, sums) = (tensor(dx, x.shape())?, tensor(sums, 2 * channels)?);
        let dw = sums.narrow(0, 0, channels)?;
        let db = sums.narrow(0, channels, channels)?;
        Ok((wanted(x, dx), wanted(weight, dw), wanted(bias, db)))
    }
}
