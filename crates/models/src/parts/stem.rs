//! From images to tokens.

use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};
use spectralkd_nn::{PatchEmbed, tokens};

use crate::sizes::Sizes;
use crate::{Result, cost};

/// timm's first position embeddings, and CaiT's class token: N(0, 0.02).
const EMBEDDING_INIT: Init = Init::Randn {
    mean: 0.0,
    stdev: 0.02,
};
/// timm's first class token of a Vision Transformer: N(0, 1e-6).
const VIT_TOKEN_INIT: Init = Init::Randn {
    mean: 0.0,
    stdev: 1e-6,
};

/// Patch embedding, class token (in DeiT, where it goes through all blocks) and position embedding.
#[derive(Debug)]
pub(crate) struct Stem {
    patches: PatchEmbed,
    /// Tokens before the patches, [1, P, C].
    prefix: Option<Tensor>,
    /// [1, P + N, C].
    position: Tensor,
}

impl Stem {
    /// DeiT's: a class token, and a position for it too.
    pub fn with_class_token(sizes: &Sizes, vb: VarBuilder) -> Result<Self> {
        let class = vb.get_with_hints((1, 1, sizes.width), "cls_token", VIT_TOKEN_INIT)?;
        Self::new(sizes, Some(class), vb)
    }

    /// CaiT's: patches only.
    pub fn without_class_token(sizes: &Sizes, vb: VarBuilder) -> Result<Self> {
        Self::new(sizes, None, vb)
    }

    fn new(sizes: &Sizes, prefix: Option<Tensor>, vb: VarBuilder) -> Result<Self> {
        let tokens = prefix.as_ref().map_or(Ok(0), |prefix| prefix.dim(1))? + sizes.patches();
        let position = (1, tokens, sizes.width);
        Ok(Self {
            patches: PatchEmbed::new(
                sizes.image[0],
                sizes.width,
                sizes.patch,
                vb.pp("patch_embed"),
            )?,
            prefix,
            position: vb.get_with_hints(position, "pos_embed", EMBEDDING_INIT)?,
        })
    }

    /// Images [B, C, H, W] to tokens [B, P + N, C].
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let patches = self.patches.forward(images)?;
        Ok(tokens::assemble(
            &patches,
            self.prefix.as_ref(),
            &self.position,
        )?)
    }

    /// Multiply-accumulates of one image.
    pub fn macs(sizes: &Sizes) -> u128 {
        let pixels = sizes.image[0] * sizes.patch * sizes.patch;
        cost::linear(sizes.patches(), pixels, sizes.width)
    }
}

/// The class token [1, 1, C] of CaiT, which meets the patches only after the patch blocks.
#[derive(Debug)]
pub(crate) struct ClassToken(Tensor);

impl ClassToken {
    /// The parameter `cls_token`.
    pub fn new(sizes: &Sizes, vb: VarBuilder) -> Result<Self> {
        Ok(Self(vb.get_with_hints(
            (1, 1, sizes.width),
            "cls_token",
            EMBEDDING_INIT,
        )?))
    }

    /// The token of each of `batch` images, [B, 1, C].
    pub fn for_batch(&self, batch: usize) -> Result<Tensor> {
        let (_, _, width) = self.0.dims3()?;
        Ok(self.0.expand((batch, 1, width))?.contiguous()?)
    }
}
