//! The block in which the class token alone is updated.

use candle_core::Tensor;
use spectralkd_nn::{Builder, ClassAttention, LayerNorm, Mlp, Pass, Residual};

use super::block::{BlockStyle, branch_ends};
use crate::sizes::BlockSizes;
use crate::{Result, cost};

/// Hidden width of the MLP as a multiple of the width: timm's `mlp_ratio_token_only`, which no
/// published model changes.
const MLP_RATIO: usize = 4;

/// The class token attends to itself and all patches (Touvron et al. 2021, section 3):
/// `cls + gamma_1 attn(norm1([cls, patches]))`, then `cls + gamma_2 mlp(norm2(cls))`.
#[derive(Debug)]
pub(crate) struct ClassBlock {
    norm1: LayerNorm,
    attention: ClassAttention,
    attention_end: Residual,
    norm2: LayerNorm,
    mlp: Mlp,
    mlp_end: Residual,
}

impl ClassBlock {
    /// A block without drop path, as timm has it; its MLP's width does not follow `sizes`.
    pub fn new(sizes: BlockSizes, style: BlockStyle, vb: Builder) -> Result<Self> {
        let BlockSizes { width, heads, .. } = sizes;
        let [attention_end, mlp_end] = branch_ends(width, style.layer_scale, 0.0, &vb)?;
        Ok(Self {
            norm1: LayerNorm::new(width, style.epsilon, vb.pp("norm1"))?,
            attention: ClassAttention::new(width, heads, true, vb.pp("attn"))?,
            attention_end,
            norm2: LayerNorm::new(width, style.epsilon, vb.pp("norm2"))?,
            mlp: Mlp::new(width, MLP_RATIO * width, vb.pp("mlp"))?,
            mlp_end,
        })
    }

    /// The class token [B, 1, C], updated from itself and the patch tokens [B, N, C].
    pub fn forward(&self, class: &Tensor, patches: &Tensor, pass: &Pass) -> Result<Tensor> {
        let all = Tensor::cat(&[class, patches], 1)?;
        let branch = self.attention.forward(&self.norm1.forward(&all)?)?;
        let class = self.attention_end.forward(class, &branch, pass)?;
        Ok(self.mlp_end.branch(&class, &self.norm2, &self.mlp, pass)?)
    }

    /// Multiply-accumulates of one image with `patches` patches.
    pub fn macs(sizes: BlockSizes, patches: usize) -> u128 {
        let (width, tokens) = (sizes.width, patches + 1);
        cost::layer_norm(tokens, width)
            + cost::class_attention(tokens, width)
            + cost::layer_norm(1, width)
            + cost::mlp(1, width, MLP_RATIO * width)
    }
}
