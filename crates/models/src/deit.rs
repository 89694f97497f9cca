//! DeiT: a Vision Transformer with a class token and perhaps a distillation token (Touvron et al.
//! 2020, "Training data-efficient image transformers"), as timm's `VisionTransformer` and
//! `VisionTransformerDistilled`.

use candle_core::Tensor;
use spectralkd_nn::{Builder, Pass};

use crate::assembly::{Chosen, Network, Outline, linspace};
use crate::parts::{Block, BlockStyle, Head, Mixing, Stem, Trunk};
use crate::{DeitConfig, Output, Result};

const STYLE: BlockStyle = BlockStyle {
    epsilon: 1e-6,
    layer_scale: None,
};

pub(crate) struct Deit {
    stem: Stem,
    trunk: Trunk,
    head: Head,
}

impl Deit {
    pub fn new(config: &DeitConfig, vb: Builder) -> Result<Self> {
        let (sizes, distilled) = (config.sizes()?, config.distilled);
        let (width, prefix) = (sizes.block.width, config.prefix());
        let drop = |block| linspace(sizes.drop_path, block, sizes.depth);
        let head = Head::of_tokens(width, sizes.classes, distilled, STYLE.epsilon, vb.clone())?;
        Ok(Self {
            stem: Stem::with_tokens(&sizes.patches, width, distilled, vb.clone())?,
            trunk: Trunk::new(&sizes, (Mixing::Plain, STYLE), prefix, drop, vb)?,
            head,
        })
    }

    pub fn outline(config: &DeitConfig) -> Result<Outline> {
        let (sizes, prefix) = (config.sizes()?, config.prefix());
        let (width, tokens) = (sizes.block.width, prefix + sizes.patches.count());
        // As many classifiers as tokens before the patches.
        let macs = Stem::macs(&sizes.patches, width)
            + sizes.depth as u128 * Block::macs(sizes.block, Mixing::Plain, tokens)
            + Head::macs(tokens, width, sizes.classes, prefix);
        Ok(Outline {
            prefix,
            distilled: config.distilled,
            ..Outline::of_trunk(&sizes, macs)
        })
    }
}

impl Network for Deit {
    fn forward(&self, images: &Tensor, chosen: &Chosen, pass: &Pass) -> Result<Output> {
        let tokens = self.stem.forward(images)?;
        // The classifiers read no patch.
        let through = self.trunk.forward_prefix(tokens, chosen, pass)?;
        let heads = self.head.forward(&through.tokens)?;
        through.output(heads)
    }
}
