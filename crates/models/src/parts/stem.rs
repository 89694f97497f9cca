//! From images to tokens.

use candle_core::Tensor;
use candle_nn::Init;
use spectralkd_nn::{Builder, Form, LayerNorm, PatchEmbed, tokens};

use crate::sizes::Patches;
use crate::{Result, cost};

/// timm's first position embeddings, DeiT's distillation token and CaiT's class token: N(0, 0.02).
pub(super) const EMBEDDING_INIT: Init = Init::Randn {
    mean: 0.0,
    stdev: 0.02,
};
/// timm's first class token of a Vision Transformer: N(0, 1e-6).
const VIT_TOKEN_INIT: Init = Init::Randn {
    mean: 0.0,
    stdev: 1e-6,
};

/// Patch embedding, and what a family adds to it.
#[derive(Debug)]
pub(crate) struct Stem {
    patches: PatchEmbed,
    /// Rows and columns of pixels that lie in whole patches.
    covered: [usize; 2],
    end: End,
    form: Form,
}

/// What comes after the patch embedding.
#[derive(Debug)]
enum End {
    /// DeiT and CaiT: tokens before the patches, each [1, 1, C], and a position embedding [1, P + N, C].
    Position {
        prefix: Vec<Tensor>,
        position: Tensor,
    },
    /// Swin: a norm, and no positions.
    Norm(LayerNorm),
}

impl Stem {
    /// DeiT's: a class token, perhaps a distillation token, and positions for them too.
    pub fn with_tokens(
        patches: &Patches,
        width: usize,
        distilled: bool,
        vb: Builder,
    ) -> Result<Self> {
        let shape = (1, 1, width);
        let mut prefix = vec![vb.get(shape, "cls_token", VIT_TOKEN_INIT)?];
        if distilled {
            prefix.push(vb.get(shape, "dist_token", EMBEDDING_INIT)?);
        }
        Self::with_positions(patches, width, prefix, vb)
    }

    /// CaiT's: positions for the patches.
    pub fn without_tokens(patches: &Patches, width: usize, vb: Builder) -> Result<Self> {
        Self::with_positions(patches, width, Vec::new(), vb)
    }

    /// Swin's: a norm.
    pub fn with_norm(patches: &Patches, width: usize, epsilon: f64, vb: Builder) -> Result<Self> {
        let norm = LayerNorm::new(width, epsilon, vb.pp("patch_embed").pp("norm"))?;
        Self::new(patches, width, End::Norm(norm), vb)
    }

    fn with_positions(
        patches: &Patches,
        width: usize,
        prefix: Vec<Tensor>,
        vb: Builder,
    ) -> Result<Self> {
        let shape = (1, prefix.len() + patches.count(), width);
        let position = vb.get(shape, "pos_embed", EMBEDDING_INIT)?;
        Self::new(patches, width, End::Position { prefix, position }, vb)
    }

    fn new(patches: &Patches, width: usize, end: End, vb: Builder) -> Result<Self> {
        let channels = patches.image[0];
        Ok(Self {
            patches: PatchEmbed::new(channels, width, patches.side, vb.pp("patch_embed"))?,
            covered: patches.covered(),
            end,
            form: vb.form(),
        })
    }

    /// Images [B, C, H, W] to tokens [B, P + N, C].
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let [height, width] = self.covered;
        let patches = self
            .patches
            .forward(&images.narrow(2, 0, height)?.narrow(3, 0, width)?)?;
        match &self.end {
            End::Position { prefix, position } => {
                // Put together here and not once in `new`, so that gradients reach each token.
                let prefix = match prefix.as_slice() {
                    [] => None,
                    [token] => Some(token.clone()),
                    tokens => Some(Tensor::cat(tokens, 1)?),
                };
                Ok(tokens::assemble(
                    &patches,
                    prefix.as_ref(),
                    position,
                    self.form,
                )?)
            }
            End::Norm(norm) => Ok(norm.forward(&patches)?),
        }
    }

    /// Multiply-accumulates of one image; Swin's norm comes on top.
    pub fn macs(patches: &Patches, width: usize) -> u128 {
        let pixels = patches.image[0] * patches.side * patches.side;
        cost::linear(patches.count(), pixels, width)
    }
}
