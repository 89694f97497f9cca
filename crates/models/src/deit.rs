//! DeiT: a Vision Transformer with a class token (Touvron et al. 2020, "Training data-efficient
//! image transformers"), as timm's `VisionTransformer`.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use spectralkd_nn::Pass;

use crate::assembly::Network;
use crate::parts::{Block, BlockStyle, Head, Stem, Trunk};
use crate::sizes::Sizes;
use crate::{DeitConfig, Output, Result};

/// The family's name.
pub(crate) const FAMILY: &str = "deit";
/// Tokens before the patches: the class token.
const PREFIX: usize = 1;

pub(crate) struct Deit {
    stem: Stem,
    trunk: Trunk,
    head: Head,
}

impl Deit {
    pub fn new(config: &DeitConfig, vb: VarBuilder) -> Result<Self> {
        let sizes = config.sizes()?;
        let style = BlockStyle {
            talking_heads: false,
            layer_scale: None,
        };
        // timm's linspace(0, drop_path, depth).
        let last = (sizes.depth - 1).max(1) as f64;
        let drop = |block: usize| sizes.drop_path * block as f64 / last;
        Ok(Self {
            stem: Stem::with_class_token(&sizes, vb.clone())?,
            trunk: Trunk::new(&sizes, style, PREFIX, drop, vb.clone())?,
            head: Head::new(&sizes, vb)?,
        })
    }

    pub fn macs(sizes: &Sizes) -> u128 {
        let tokens = PREFIX + sizes.patches();
        Stem::macs(sizes)
            + sizes.depth as u128 * Block::macs(sizes, false, tokens)
            + Head::macs(sizes, tokens)
    }
}

impl Network for Deit {
    fn forward(&self, images: &Tensor, wanted: &[bool], pass: &Pass) -> Result<Output> {
        let tokens = self.stem.forward(images)?;
        let (tokens, features) = self.trunk.forward(tokens, wanted, pass)?;
        let logits = self.head.forward(&tokens)?;
        Ok(Output { logits, features })
    }
}
