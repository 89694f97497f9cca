//! The row of blocks whose outputs are the taps.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use spectralkd_nn::{Pass, tokens};

use super::{Block, BlockStyle, Mixing};
use crate::Result;
use crate::sizes::Sizes;

/// The last tokens, and the maps that were asked for with the indices of their blocks.
pub(crate) type Through = (Tensor, Vec<(usize, Tensor)>);

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
    pub fn forward(&self, tokens: Tensor, wanted: &[bool], pass: &Pass) -> Result<Through> {
        self.run(self.blocks.len(), tokens, wanted, pass)
    }

    /// The same, but of the last tokens only those before the patches, [B, P, C]. The last block
    /// computes no others, unless its map is wanted.
    pub fn forward_prefix(&self, tokens: Tensor, wanted: &[bool], pass: &Pass) -> Result<Through> {
        let (Some(last), Some(false)) = (self.blocks.last(), wanted.last()) else {
            let (tokens, features) = self.forward(tokens, wanted, pass)?;
            return Ok((tokens.narrow(1, 0, self.prefix)?, features));
        };
        let (tokens, features) = self.run(self.blocks.len() - 1, tokens, wanted, pass)?;
        Ok((last.forward_first(&tokens, self.prefix, pass)?, features))
    }

    /// Tokens through the first `count` blocks.
    fn run(
        &self,
        count: usize,
        mut tokens: Tensor,
        wanted: &[bool],
        pass: &Pass,
    ) -> Result<Through> {
        let mut features = Vec::new();
        for (i, (block, wanted)) in self.blocks[..count].iter().zip(wanted).enumerate() {
            tokens = block.forward(&tokens, pass)?;
            if *wanted {
                features.push((i, tokens::to_map(&tokens, self.prefix, self.grid)?));
            }
        }
        Ok((tokens, features))
    }
}
