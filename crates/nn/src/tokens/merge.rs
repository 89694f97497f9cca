//! The operation behind [`super::merge`].

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};

use crate::kernels::merge::{self as kernel, Sizes};
use crate::kernels::storage::{numbers, slice, tensor, unsupported};
use crate::scalar::merge as twin;

/// x [B, H W, C] to [B, H' W', 4C].
pub(super) struct Merge(pub(super) Sizes);

impl CustomOp1 for Merge {
    fn name(&self) -> &'static str {
        "merge-tokens"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let sizes = self.0;
        let y = match x {
            CpuStorage::F32(_) => CpuStorage::F32(kernel::forward(sizes, &slice(x, layout)?)),
            CpuStorage::F64(_) => CpuStorage::F64(twin::forward(sizes, &slice(x, layout)?)),
            _ => return Err(unsupported(self.name(), x)),
        };
        let [down, across] = sizes.merged();
        let shape = (layout.dims()[0], down * across, 4 * sizes.channels);
        Ok((y, shape.into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(if x.dtype() == DType::F64 {
            tensor(twin::backward::<f64>(self.0, &numbers(dy)?), x.shape())?
        } else {
            tensor(kernel::backward(self.0, &numbers(dy)?), x.shape())?
        }))
    }
}
