//! Layers whose weights are packed in bf16: forward passes on f32 tensors, without gradients.

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};

use crate::error::{Error, Result};
use crate::kernels::bf16::{self as kernel, Dot, Packed};
use crate::kernels::storage::{numbers, slice};

/// A weight of type bf16, packed; its parameters must be ones that stay as they are.
pub(crate) fn pack(weight: &Tensor, bias: Option<&Tensor>) -> Result<Packed> {
    let refuse = |reason: &str| Error::Bf16 {
        layer: "Linear",
        reason: reason.into(),
    };
    if weight.track_op() || bias.is_some_and(Tensor::track_op) {
        return Err(refuse(
            "parameters that are trained cannot be packed; train in f32",
        ));
    }
    if !weight.device().is_cpu() {
        return Err(refuse(
            "there are kernels for the CPU alone; use f32 weights",
        ));
    }
    if bias.is_some_and(|bias| bias.dtype() != DType::F32) {
        return Err(refuse("the bias must be f32"));
    }
    let (outputs, inputs) = weight.dims2()?;
    // Back in f32 every bf16 is what it was, so that packing rounds nothing.
    let rows = weight.to_dtype(DType::F32)?;
    Ok(Packed::new(&numbers(&rows)?, inputs, outputs))
}

/// A packed weight and its bias, `[N]`, f32.
pub(crate) type Parameters<'a> = (&'a Packed, Option<&'a Tensor>);

/// x [..., K] to [..., N].
pub(crate) fn linear(x: &Tensor, (weight, bias): Parameters<'_>) -> Result<Tensor> {
    let bias = bias.map(numbers::<f32>).transpose()?;
    let forward = |x: &[f32]| kernel::forward(Dot::best(), x, weight, bias.as_deref());
    apply("Linear", x, weight.outputs(), forward)
}

/// fc2(gelu(fc1(x))): x [..., C] to [..., C].
pub(crate) fn mlp(x: &Tensor, first: Parameters<'_>, second: Parameters<'_>) -> Result<Tensor> {
    let b1 = first.1.map(numbers::<f32>).transpose()?;
    let b2 = second.1.map(numbers::<f32>).transpose()?;
    let parameters = kernel::mlp::Parameters {
        first: (first.0, b1.as_deref()),
        second: (second.0, b2.as_deref()),
    };
    let forward = |x: &[f32]| kernel::mlp::forward(Dot::best(), parameters, x);
    apply("Mlp", x, second.0.outputs(), forward)
}

/// Applies `forward` to the rows of x; `outputs` numbers come of each.
fn apply(
    layer: &'static str,
    x: &Tensor,
    outputs: usize,
    forward: impl Fn(&[f32]) -> Vec<f32>,
) -> Result<Tensor> {
    let reason = if x.track_op() {
        "no gradient passes through; detach the input, or use f32 weights".into()
    } else if x.dtype() != DType::F32 || !x.device().is_cpu() {
        let (dtype, place) = (x.dtype(), x.device().location());
        format!("the input must be F32 on the CPU, and is {dtype:?} on {place:?}")
    } else {
        return Ok(x.apply_op1_no_bwd(&Rows { outputs, forward })?);
    };
    Err(Error::Bf16 { layer, reason })
}

/// A function of each row.
struct Rows<F> {
    outputs: usize,
    forward: F,
}

impl<F: Fn(&[f32]) -> Vec<f32>> CustomOp1 for Rows<F> {
    fn name(&self) -> &'static str {
        "a layer in bf16"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let y = (self.forward)(&slice(x, layout)?);
        let mut shape = layout.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.outputs;
        }
        Ok((CpuStorage::F32(y), shape.into()))
    }
}
