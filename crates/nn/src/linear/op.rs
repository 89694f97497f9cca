//! The differentiable operation of a linear layer.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Shape, Tensor};

use crate::kernels::linear::{self as kernel, Sizes, Wanted, WeightNumbers};
use crate::kernels::simd;
use crate::kernels::storage::{cpu, numbers, only_f32, slice, tensor, wanted};

/// x [..., K], weight [N, K] and perhaps bias `[N]` to [..., N].
pub(super) struct LinearOp;

impl LinearOp {
    fn forward(
        x: (&CpuStorage, &Layout),
        weight: (&CpuStorage, &Layout),
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (outputs, inputs) = weight.1.shape().dims2()?;
        let rows = x.1.shape().elem_count() / inputs;
        let sizes = Sizes {
            rows,
            inputs,
            outputs,
        };
        only_f32("linear", x.0)?;
        let bias = bias.map(|b| slice(b.0, b.1)).transpose()?;
        let weight = WeightNumbers::new(weight.0, weight.1)?;
        let y = kernel::forward(sizes, &slice(x.0, x.1)?, &weight, bias.as_deref());
        let mut shape = x.1.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        Ok((CpuStorage::F32(y), shape.into()))
    }

    /// The gradients of (x, weight, bias).
    fn backward(x: &Tensor, weight: &Tensor, dy: &Tensor, want: Wanted) -> GradientsOf3 {
        let (outputs, inputs) = weight.dims2()?;
        let rows = x.elem_count() / inputs;
        let sizes = Sizes {
            rows,
            inputs,
            outputs,
        };
        let (x_numbers, dy) = (numbers(x)?, numbers(dy)?);
        let (storage, layout) = weight.storage_and_layout();
        let w = WeightNumbers::new(cpu(&storage)?, layout)?;
        let (dx, sums) = kernel::backward(simd::best(), sizes, &x_numbers, &w, &dy, want);
        let dx = want.dx.then(|| tensor(dx, x.shape())).transpose()?;
        if !want.sums {
            return Ok((dx, None, None));
        }
        let sums = tensor(sums, outputs * (inputs + 1))?;
        let dw = sums
            .narrow(0, 0, outputs * inputs)?
            .reshape((outputs, inputs))?;
        let db = sums.narrow(0, outputs * inputs, outputs)?;
        Ok((dx, Some(dw), Some(db)))
    }
}

type GradientsOf3 = candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)>;

impl CustomOp3 for LinearOp {
    fn name(&self) -> &'static str {
        "linear"
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
        Self::forward(
            (x, x_layout),
            (weight, weight_layout),
            Some((bias, bias_layout)),
        )
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> GradientsOf3 {
        let want = Wanted {
            dx: x.track_op(),
            sums: weight.track_op() || bias.track_op(),
        };
        let (dx, dw, db) = Self::backward(x, weight, dy, want)?;
        Ok((dx, wanted(weight, dw), wanted(bias, db)))
    }
}

impl CustomOp2 for LinearOp {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Self::forward((x, x_layout), (weight, weight_layout), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let want = Wanted {
            dx: x.track_op(),
            sums: weight.track_op(),
        };
        let (dx, dw, _) = Self::backward(x, weight, dy, want)?;
        Ok((wanted(x, dx), wanted(weight, dw)))
    }
}
