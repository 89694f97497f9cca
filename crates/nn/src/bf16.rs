//! Layers whose weights are packed in bf16: forward passes on f32 tensors, without gradients.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};

use crate::error::{Error, Result};
use crate::kernels::bf16::{self as kernel, Dot, Packed};
use crate::kernels::storage::{Numbers, numbers, slice};

/// A weight of type bf16, [N, K], packed, and its bias; both must be ones that stay as they are.
pub(crate) fn pack(weight: &Tensor, bias: Option<Tensor>) -> Result<Parameters> {
    let refuse = |reason: &str| Error::Bf16 {
        layer: "Linear",
        reason: reason.into(),
    };
    if weight.track_op() || bias.as_ref().is_some_and(Tensor::track_op) {
        return Err(refuse(
            "parameters that are trained cannot be packed; train in f32",
        ));
    }
    if bias.as_ref().is_some_and(|bias| bias.dtype() != DType::F32) {
        return Err(refuse("the bias must be f32"));
    }
    let (outputs, inputs) = weight.dims2()?;
    // Back in f32 every bf16 is what it was, so that packing rounds nothing.
    let rows = weight.to_dtype(DType::F32)?;
    let weight = Arc::new(Packed::new(&numbers(&rows)?, inputs, outputs));
    Ok(Parameters { weight, bias })
}

/// A packed weight and its bias, `[N]`, f32.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    /// w.
    pub weight: Arc<Packed>,
    /// b.
    pub bias: Option<Tensor>,
}

impl Parameters {
    fn bias(&self) -> candle_core::Result<Option<Numbers<'_, f32>>> {
        self.bias.as_ref().map(numbers).transpose()
    }
}

/// x [..., K] to [..., N].
pub(crate) fn linear(x: &Tensor, own: &Parameters) -> Result<Tensor> {
    let (outputs, own) = (own.weight.outputs(), own.clone());
    apply("Linear", x, outputs, move |x| {
        let bias = own.bias()?;
        Ok(kernel::forward(
            Dot::best(),
            x,
            &own.weight,
            bias.as_deref(),
        ))
    })
}

/// fc2(gelu(fc1(x))): x [..., C] to [..., C].
pub(crate) fn mlp(x: &Tensor, first: &Parameters, second: &Parameters) -> Result<Tensor> {
    let outputs = second.weight.outputs();
    let (first, second) = (first.clone(), second.clone());
    apply("Mlp", x, outputs, move |x| {
        let (b1, b2) = (first.bias()?, second.bias()?);
        let parameters = kernel::mlp::Parameters {
            first: (&first.weight, b1.as_deref()),
            second: (&second.weight, b2.as_deref()),
        };
        Ok(kernel::mlp::forward(Dot::best(), parameters, x))
    })
}

/// Applies `forward` to the rows of x; `outputs` numbers come of each.
fn apply(
    layer: &'static str,
    x: &Tensor,
    outputs: usize,
    forward: impl Fn(&[f32]) -> candle_core::Result<Vec<f32>> + Send + Sync + 'static,
) -> Result<Tensor> {
    let reason = if x.track_op() {
        "no gradient passes through; detach the input, or use f32 weights".into()
    } else if x.dtype() != DType::F32 || !x.device().is_cpu() {
        let (dtype, place) = (x.dtype(), x.device().location());
        format!("the input must be F32 on the CPU, and is {dtype:?} on {place:?}")
    } else {
        return Ok(x.apply_op1(Rows { outputs, forward })?);
    };
    Err(Error::Bf16 { layer, reason })
}

/// A function of each row, without a backward pass.
struct Rows<F> {
    outputs: usize,
    forward: F,
}

impl<F: Fn(&[f32]) -> candle_core::Result<Vec<f32>>> CustomOp1 for Rows<F> {
    fn name(&self) -> &'static str {
        "a layer in bf16"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let y = (self.forward)(&slice(x, layout)?)?;
        let mut shape = layout.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.outputs;
        }
        Ok((CpuStorage::F32(y), shape.into()))
    }
}
