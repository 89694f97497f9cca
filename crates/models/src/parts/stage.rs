//! A stage of Swin.

use candle_core::Tensor;
use spectralkd_nn::{Builder, Form, Pass, PatchMerging, tokens};

use super::{Block, BlockStyle, Mixing};
use crate::sizes::StageSizes;
use crate::{Result, cost};

/// Patch merging (in all stages but the first) and blocks, `layers.N.*`; a tap after the last block.
#[derive(Debug)]
pub(crate) struct Stage {
    downsample: Option<PatchMerging>,
    blocks: Vec<Block>,
    map: [usize; 2],
    form: Form,
}

impl Stage {
    /// A stage whose block i has the drop-path probability `drop(i)`.
    pub fn new(
        sizes: &StageSizes,
        style: BlockStyle,
        drop: impl Fn(usize) -> f64,
        vb: Builder,
    ) -> Result<Self> {
        let merging = |[width, rows, columns]: [usize; 3]| {
            let names = vb.pp("downsample");
            PatchMerging::new(
                width,
                sizes.block.width,
                [rows, columns],
                style.epsilon,
                names,
            )
        };
        let block = |i| {
            let names = vb.pp("blocks").pp(i);
            Block::new(sizes.block, mixing(sizes, i), style, drop(i), names)
        };
        Ok(Self {
            downsample: sizes.merged.map(merging).transpose()?,
            blocks: (0..sizes.depth).map(block).collect::<Result<_>>()?,
            map: sizes.map,
            form: vb.form(),
        })
    }

    /// Tokens [B, N, C] of the stage before to this stage's.
    pub fn forward(&self, mut tokens: Tensor, pass: &Pass) -> Result<Tensor> {
        if let Some(downsample) = &self.downsample {
            tokens = downsample.forward(&tokens)?;
        }
        for block in &self.blocks {
            tokens = block.forward(&tokens, pass)?;
        }
        Ok(tokens)
    }

    /// The stage's tokens as a map [B, C, H, W].
    pub fn to_map(&self, tokens: &Tensor) -> Result<Tensor> {
        Ok(tokens::to_map(tokens, 0, self.map, self.form)?)
    }

    /// Multiply-accumulates of one image.
    pub fn macs(sizes: &StageSizes) -> u128 {
        let tokens = sizes.map[0] * sizes.map[1];
        let merging = match sizes.merged {
            Some([width, ..]) => {
                cost::layer_norm(tokens, 4 * width)
                    + cost::linear(tokens, 4 * width, sizes.block.width)
            }
            None => 0,
        };
        // Shifted windows cost what others do.
        merging + sizes.depth as u128 * Block::macs(sizes.block, mixing(sizes, 0), tokens)
    }
}

/// The windows of a stage's block, shifted in every second one.
fn mixing(sizes: &StageSizes, block: usize) -> Mixing {
    let shifted = block % 2 == 1;
    Mixing::Windows {
        map: sizes.map,
        size: sizes.window,
        shift: if shifted { sizes.shift } else { [0, 0] },
    }
}
