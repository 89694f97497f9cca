//! The operation behind [`super::merge`].

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

use crate::kernels::merge::{self as kernel, Sizes};
use crate::kernels::storage::{numbers, only_f32, slice, tensor};

/// x [B, H W, C] to [B, H' W', 4C].
pub(super) struct Merge(pub(super) Sizes);

impl CustomOp1 for Merge {
    fn name(&self) -> &'static str {
        "merge-tokens"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let sizes = self.0;
        only_f32(self.name(), x)?;
        let y = kernel::forward(sizes, &slice(x, layout)?);
        let [down, across] = sizes.merged();
        let shape = (layout.dims()[0], down * across, 4 * sizes.channels);
        Ok((CpuStorage::F32(y), shape.into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dx = kernel::backward(self.0, &numbers(dy)?);
        Ok(Some(tensor(dx, x.shape())?))
    }
}
