//! The operations behind [`super::assemble`] and [`super::to_map`].

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Shape, Tensor};

use crate::kernels::simd;
use crate::kernels::storage::{numbers, only_f32, slice, tensor, wanted};
use crate::kernels::tokens::{self as kernel, Sizes};

/// x [B, N, C], perhaps prefix [1, P, C], and position [1, P + N, C].
pub(super) struct Assemble;

impl Assemble {
    fn sizes(x: &Shape, position: &Shape) -> candle_core::Result<Sizes> {
        let ((_, patches, channels), tokens) = (x.dims3()?, position.dims3()?.1);
        Ok(Sizes {
            prefix: tokens - patches,
            patches,
            channels,
        })
    }

    fn forward(
        x: (&CpuStorage, &Layout),
        prefix: Option<(&CpuStorage, &Layout)>,
        position: (&CpuStorage, &Layout),
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let sizes = Self::sizes(x.1.shape(), position.1.shape())?;
        only_f32("assemble-tokens", x.0)?;
        let prefix = prefix
            .map(|p| slice(p.0, p.1))
            .transpose()?
            .unwrap_or_default();
        let position = slice(position.0, position.1)?;
        let y = kernel::assemble(sizes, &slice(x.0, x.1)?, &prefix, &position);
        let batch = x.1.shape().dims3()?.0;
        let shape = (batch, sizes.prefix + sizes.patches, sizes.channels);
        Ok((CpuStorage::F32(y), shape.into()))
    }

    /// The gradients of x, if it is wanted, and of the positions, if `sums`.
    fn backward(
        x: &Tensor,
        position: &Tensor,
        sums: bool,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let sizes = Self::sizes(x.shape(), position.shape())?;
        let dx = if !x.track_op() {
            None
        } else if sizes.prefix == 0 {
            Some(dy.clone())
        } else {
            let dx = kernel::without_prefix(sizes, &numbers(dy)?);
            Some(tensor(dx, x.shape())?)
        };
        if !sums {
            return Ok((dx, None));
        }
        let sum = kernel::sum_over_batch(simd::best(), sizes, &numbers(dy)?);
        Ok((dx, Some(tensor(sum, position.shape())?)))
    }
}

impl CustomOp3 for Assemble {
    fn name(&self) -> &'static str {
        "assemble-tokens"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        prefix: &CpuStorage,
        prefix_layout: &Layout,
        position: &CpuStorage,
        position_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Self::forward(
            (x, x_layout),
            Some((prefix, prefix_layout)),
            (position, position_layout),
        )
    }

    fn bwd(
        &self,
        x: &Tensor,
        prefix: &Tensor,
        position: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let sums = prefix.track_op() || position.track_op();
        let (dx, sum) = Self::backward(x, position, sums, dy)?;
        let Some(sum) = sum else {
            return Ok((dx, None, None));
        };
        let dprefix = sum.narrow(1, 0, prefix.dim(1)?)?;
        Ok((dx, wanted(prefix, dprefix), wanted(position, sum)))
    }
}

impl CustomOp2 for Assemble {
    fn name(&self) -> &'static str {
        "assemble-tokens"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        position: &CpuStorage,
        position_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Self::forward((x, x_layout), None, (position, position_layout))
    }

    fn bwd(
        &self,
        x: &Tensor,
        position: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        Self::backward(x, position, position.track_op(), dy)
    }
}

/// x [B, P + H W, C] to [B, C, H, W].
pub(super) struct Map {
    pub(super) prefix: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Map {
    fn sizes(&self, channels: usize) -> Sizes {
        let (prefix, patches) = (self.prefix, self.height * self.width);
        Sizes {
            prefix,
            patches,
            channels,
        }
    }
}

impl CustomOp1 for Map {
    fn name(&self) -> &'static str {
        "tokens-to-map"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (batch, _, channels) = layout.shape().dims3()?;
        let sizes = self.sizes(channels);
        only_f32(self.name(), x)?;
        let map = kernel::to_map(sizes, &slice(x, layout)?);
        let shape = (batch, channels, self.height, self.width);
        Ok((CpuStorage::F32(map), shape.into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dm: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let sizes = self.sizes(x.dim(2)?);
        let dx = kernel::from_map(sizes, &numbers(dm)?);
        Ok(Some(tensor(dx, x.shape())?))
    }
}
