//! The row of blocks whose outputs are the taps.

use candle_core::Tensor;
use spectralkd_nn::{Builder, Form, Pass, tokens};

use super::{Block, BlockStyle, Mixing};
use crate::assembly::Chosen;
use crate::sizes::Sizes;
use crate::{Heads, Output, Result};

/// What came through the blocks.
pub(crate) struct Through {
    /// The last tokens.
    pub tokens: Tensor,
    /// The maps that were chosen, with the indices of their blocks.
    features: Vec<(usize, Tensor)>,
    /// The prefix tokens that were chosen, likewise.
    prefix: Vec<(usize, Tensor)>,
}

impl Through {
    /// The model's outputs, with these `heads`.
    pub fn output(self, heads: Heads) -> Result<Output> {
        Output::new(heads, self.features, self.prefix)
    }
}

/// The blocks that carry the patch tokens of DeiT and CaiT, `blocks.0` to `blocks.{depth - 1}`.
#[derive(Debug)]
pub(crate) struct Trunk {
    blocks: Vec<Block>,
    /// Tokens before the patches.
    prefix: usize,
    /// Rows and columns of patches.
    grid: [usize; 2],
    form: Form,
}

impl Trunk {
    /// Blocks for `prefix` tokens and the patches; block i has the drop-path probability `drop(i)`.
    pub fn new(
        sizes: &Sizes,
        (mixing, style): (Mixing, BlockStyle),
        prefix: usize,
        drop: impl Fn(usize) -> f64,
        vb: Builder,
    ) -> Result<Self> {
        let vb = vb.pp("blocks");
        let block = |i| Block::new(sizes.block, mixing, style, drop(i), vb.pp(i));
        let blocks = (0..sizes.depth).map(block).collect::<Result<_>>()?;
        Ok(Self {
            blocks,
            prefix,
            grid: sizes.patches.grid,
            form: vb.form(),
        })
    }

    /// Tokens [B, P + N, C] through all blocks, and what was `chosen` of each of them: maps [B, C, H, W] and prefix
    /// tokens [B, P, C], in order.
    pub fn forward(&self, tokens: Tensor, chosen: &Chosen, pass: &Pass) -> Result<Through> {
        self.run(self.blocks.len(), tokens, chosen, pass)
    }

    /// The same, but of the last tokens only those before the patches, [B, P, C]. The last block
    /// computes no others, unless its map was chosen.
    pub fn forward_prefix(&self, tokens: Tensor, chosen: &Chosen, pass: &Pass) -> Result<Through> {
        let (Some(last), Some(false)) = (self.blocks.last(), chosen.maps.last()) else {
            let mut through = self.forward(tokens, chosen, pass)?;
            through.tokens = through.tokens.narrow(1, 0, self.prefix)?;
            return Ok(through);
        };
        let before = self.blocks.len() - 1;
        let mut through = self.run(before, tokens, chosen, pass)?;
        through.tokens = last.forward_first(&through.tokens, self.prefix, pass)?;
        if chosen.prefix[before] {
            through.prefix.push((before, through.tokens.clone()));
        }
        Ok(through)
    }

    /// Tokens through the first `count` blocks.
    fn run(
        &self,
        count: usize,
        mut tokens: Tensor,
        chosen: &Chosen,
        pass: &Pass,
    ) -> Result<Through> {
        let (mut features, mut prefix) = (Vec::new(), Vec::new());
        for (i, block) in self.blocks[..count].iter().enumerate() {
            tokens = block.forward(&tokens, pass)?;
            if chosen.maps[i] {
                features.push((
                    i,
                    tokens::to_map(&tokens, self.prefix, self.grid, self.form)?,
                ));
            }
            if chosen.prefix[i] {
                // A copy, so that nobody who keeps them keeps the patches.
                let first = tokens.narrow(1, 0, self.prefix)?;
                prefix.push((i, first.contiguous()?));
            }
        }
        Ok(Through {
            tokens,
            features,
            prefix,
        })
    }
}
