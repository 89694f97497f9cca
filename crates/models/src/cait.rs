//! CaiT: patch blocks with talking heads and LayerScale, then class-attention blocks (Touvron et
//! al. 2021, "Going deeper with image transformers"), as timm's `Cait`.

use candle_core::Tensor;
use spectralkd_nn::{Builder, Pass};

use crate::assembly::{Chosen, Network, Outline};
use crate::parts::{Block, BlockStyle, ClassBlock, ClassToken, Head, Mixing, Stem, Trunk};
use crate::{CaitConfig, Output, Result};

/// The epsilon of all norms.
const EPSILON: f64 = 1e-6;

pub(crate) struct Cait {
    stem: Stem,
    trunk: Trunk,
    class: ClassToken,
    class_blocks: Vec<ClassBlock>,
    head: Head,
}

impl Cait {
    pub fn new(config: &CaitConfig, vb: Builder) -> Result<Self> {
        let sizes = config.sizes()?;
        let (width, mixing) = (sizes.block.width, Mixing::TalkingHeads);
        let style = BlockStyle {
            epsilon: EPSILON,
            layer_scale: Some(config.init_values),
        };
        let names = vb.pp("blocks_token_only");
        let class_block = |i| ClassBlock::new(sizes.block, style, names.pp(i));
        let drop = |_| sizes.drop_path;
        Ok(Self {
            stem: Stem::without_tokens(&sizes.patches, width, vb.clone())?,
            trunk: Trunk::new(&sizes, (mixing, style), 0, drop, vb.clone())?,
            class: ClassToken::new(width, vb.clone())?,
            class_blocks: (0..config.depth_token_only)
                .map(class_block)
                .collect::<Result<_>>()?,
            head: Head::of_tokens(width, sizes.classes, false, EPSILON, vb)?,
        })
    }

    pub fn outline(config: &CaitConfig) -> Result<Outline> {
        let sizes = config.sizes()?;
        let (width, patches) = (sizes.block.width, sizes.patches.count());
        let macs = Stem::macs(&sizes.patches, width)
            + sizes.depth as u128 * Block::macs(sizes.block, Mixing::TalkingHeads, patches)
            + config.depth_token_only as u128 * ClassBlock::macs(sizes.block, patches)
            + Head::macs(patches + 1, width, sizes.classes, 1);
        Ok(Outline::of_trunk(&sizes, macs))
    }
}

impl Network for Cait {
    fn forward(&self, images: &Tensor, chosen: &Chosen, pass: &Pass) -> Result<Output> {
        let tokens = self.stem.forward(images)?;
        let through = self.trunk.forward(tokens, chosen, pass)?;
        let patches = &through.tokens;
        let mut class = self.class.for_batch(patches.dim(0)?)?;
        for block in &self.class_blocks {
            class = block.forward(&class, patches, pass)?;
        }
        through.output(self.head.forward(&class)?)
    }
}
