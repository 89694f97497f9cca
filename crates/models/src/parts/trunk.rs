//! The row of blocks whose outputs are the taps.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use spectralkd_nn::{Pass, tokens};

use super::{Block, BlockStyle, Mixing};
use crate::Result;
use crate::sizes::Sizes;

/// The blocks that carry the patch tokens of DeiT and CaiT, `blocks.0` to `blocks.{depth - 1}`.
#[derive(Debug)]
pub(crate) struct Trunk {
    blocks: Vec<Block>,
    /// Tokens before the patches.
    prefix: usize,
    /// Rows and columns of patches.
    grid: [usize; 2],
}

impl Trunk {
    /// Blocks for `prefix` tokens and the patches; block i has the drop-path probability `drop(i)`.
    pub fn new(
        sizes: &Sizes,
        (mixing, style): (Mixing, BlockStyle),
        prefix: usize,
        drop: impl Fn(usize) -> f64,
        vb: VarBuilder,
    ) -> Result<Self> {
        let vb = vb.pp("blocks");
        let block = |i| Block::new(sizes.block, mixing, style, drop(i), vb.pp(i));
        let blocks = (0..sizes.depth).map(block).collect::<Result<_>>()?;
        Ok(Self {
            blocks,
            prefix,
            grid: sizes.patches.grid,
        })
    }

    /// Tokens [B, P + N, C] through all blocks, and the maps [B, C, H, W] of the blocks that `wanted`
    /// asks for, in order, with their indices.
    pub fn forward(
        &self,
        mut tokens: Tensor,
        wanted: &[bool],
        pass: &Pass,
    ) -> Result<(Tensor, Vec<(usize, Tensor)>)> {
        let mut features = Vec::new();
        for (i, (block, wanted)) in self.blocks.iter().zip(wanted).enumerate() {
            tokens = block.forward(&tokens, pass)?;
            if *wanted {
                features.push((i, tokens::to_map(&tokens, self.prefix, self.grid)?));
            }
        }
        Ok((tokens, features))
    }
}
