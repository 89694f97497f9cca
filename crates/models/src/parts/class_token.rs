//! The class token that meets the patches late.

use candle_core::Tensor;
use spectralkd_nn::Builder;

use super::stem::EMBEDDING_INIT;
use crate::Result;

/// The class token [1, 1, C] of CaiT, which meets the patches only after the patch blocks.
#[derive(Debug)]
pub(crate) struct ClassToken(Tensor);

impl ClassToken {
    /// The parameter `cls_token`.
    pub fn new(width: usize, vb: Builder) -> Result<Self> {
        let token = vb.get((1, 1, width), "cls_token", EMBEDDING_INIT)?;
        Ok(Self(token))
    }

    /// The token of each of `batch` images, [B, 1, C].
    pub fn for_batch(&self, batch: usize) -> Result<Tensor> {
        let (_, _, width) = self.0.dims3()?;
        Ok(self.0.expand((batch, 1, width))?.contiguous()?)
    }
}
