//! CaiT: patch blocks with talking heads and LayerScale, then class-attention blocks (Touvron et
//! al. 2021, "Going deeper with image transformers"), as timm's `Cait`.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use spectralkd_nn::Pass;

use crate::assembly::Network;
use crate::parts::{Block, BlockStyle, ClassBlock, ClassToken, Head, Stem, Trunk};
use crate::sizes::Sizes;
use crate::{CaitConfig, Output, Result};

/// The family's name.
pub(crate) const FAMILY: &str = "cait";

pub(crate) struct Cait {
    stem: Stem,
    trunk: Trunk,
    class: ClassToken,
    class_blocks: Vec<ClassBlock>,
    head: Head,
}

impl Cait {
    pub fn new(config: &CaitConfig, vb: VarBuilder) -> Result<Self> {
        let (sizes, first) = (config.sizes()?, config.init_values);
        let style = BlockStyle {
            talking_heads: true,
            layer_scale: Some(first),
        };
        let names = vb.pp("blocks_token_only");
        let class_block = |i| ClassBlock::new(&sizes, first, names.pp(i));
        Ok(Self {
            stem: Stem::without_class_token(&sizes, vb.clone())?,
            trunk: Trunk::new(&sizes, style, 0, |_| sizes.drop_path, vb.clone())?,
            class: ClassToken::new(&sizes, vb.clone())?,
            class_blocks: (0..config.depth_token_only)
                .map(class_block)
                .collect::<Result<_>>()?,
            head: Head::new(&sizes, vb)?,
        })
    }

    pub fn macs(sizes: &Sizes, class_blocks: usize) -> u128 {
        let patches = sizes.patches();
        Stem::macs(sizes)
            + sizes.depth as u128 * Block::macs(sizes, true, patches)
            + class_blocks as u128 * ClassBlock::macs(sizes, patches)
            + Head::macs(sizes, patches + 1)
    }
}

impl Network for Cait {
    fn forward(&self, images: &Tensor, wanted: &[bool], pass: &Pass) -> Result<Output> {
        let tokens = self.stem.forward(images)?;
        let (patches, features) = self.trunk.forward(tokens, wanted, pass)?;
        let mut class = self.class.for_batch(patches.dim(0)?)?;
        for block in &self.class_blocks {
            class = block.forward(&class, &patches, pass)?;
        }
        let logits = self.head.forward(&class)?;
        Ok(Output { logits, features })
    }
}
