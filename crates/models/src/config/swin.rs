//! Swin's configuration.

use serde::{Deserialize, Serialize};

use super::four;
use crate::Result;
use crate::sizes::{
    self, BlockSizes, MAX_DEPTH, MAX_WIDTH, Patches, StageSizes, StagedSizes, bad, count, hidden,
};

/// The most stages: each halves the map, and an image has fewer than 2^16 patches a side.
const MAX_STAGES: usize = 16;

/// Sizes of a Swin Transformer (Liu et al., 2021), timm's `SwinTransformer` with its defaults: a norm after the
/// patch embedding, biases everywhere but in patch merging, exact GELU, layer norms of epsilon 1e-5, the classifier
/// on the mean over all tokens.
///
/// Stage i works on maps of `embed_dim` · 2^i channels and half the rows and columns of the stage before, rounded
/// up. Its attention is within windows of `window_size` rows and columns, fewer where the map has fewer; every
/// second block shifts them by half a window along each side on which the map is larger than a window.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SwinConfig {
    /// Height and width of the images, pixels; each at least `patch_size`. Pixels beyond the last whole patch, at the
    /// bottom and on the right, are not seen, as in timm. Maps need not be a whole number of windows.
    pub img_size: [usize; 2],
    /// Side of the square patches, pixels.
    pub patch_size: usize,
    /// Channels of the images: 3 for colour, 1 for grey.
    pub in_chans: usize,
    /// Number of logits.
    pub num_classes: usize,
    /// Channels of the first stage; each further stage has twice as many.
    pub embed_dim: usize,
    /// Number of blocks of each stage. A stage is a tap.
    pub depths: Vec<usize>,
    /// Attention heads in the blocks of each stage; they divide its channels.
    pub num_heads: Vec<usize>,
    /// Side of the square attention windows, tokens. Default 7.
    #[serde(default = "seven")]
    pub window_size: usize,
    /// Hidden width of the blocks' MLPs as a multiple of the stage's channels, rounded down. Default 4.
    #[serde(default = "four")]
    pub mlp_ratio: f64,
    /// Probability, in [0, 1), that a sample skips a residual branch of the last block in training; it
    /// rises linearly from 0 at the first block of all stages, as in timm. Default 0 (timm's is 0.1).
    #[serde(default)]
    pub drop_path: f64,
}

fn seven() -> usize {
    7
}

impl SwinConfig {
    /// The checked sizes.
    pub(crate) fn sizes(&self) -> Result<StagedSizes> {
        let patches = Patches::check(self.img_size, self.patch_size, self.in_chans)?;
        sizes::classes(self.num_classes)?;
        count("window_size", self.window_size, MAX_WIDTH)?;
        self.check_lists()?;
        let mut stages = Vec::<StageSizes>::new();
        for (&depth, &heads) in self.depths.iter().zip(&self.num_heads) {
            let merged = stages
                .last()
                .map(|before| [before.block.width, before.map[0], before.map[1]]);
            let (width, map) = match merged {
                None => (self.embed_dim, patches.grid),
                Some([width, rows, columns]) => {
                    (2 * width, [rows.div_ceil(2), columns.div_ceil(2)])
                }
            };
            let block = self.block(stages.len(), width, heads)?;
            count("depths", depth, MAX_DEPTH)?;
            // A side that one window covers is not shifted (timm's `_calc_window_shift`).
            let shift = |side| {
                if side > self.window_size {
                    self.window_size / 2
                } else {
                    0
                }
            };
            stages.push(StageSizes {
                block,
                depth,
                merged,
                map,
                window: map.map(|side| side.min(self.window_size)),
                shift: map.map(shift),
            });
        }
        Ok(StagedSizes {
            patches,
            stages,
            classes: self.num_classes,
            drop_path: sizes::drop_path(self.drop_path)?,
        })
    }

    /// Checks the number of stages.
    fn check_lists(&self) -> Result<()> {
        let (depths, heads) = (self.depths.len(), self.num_heads.len());
        if depths == 0 || depths > MAX_STAGES {
            let problem =
                format!("it has a number for each stage, of which there are 1 to {MAX_STAGES}");
            return Err(bad("depths", format!("{:?}", self.depths), problem));
        }
        if heads != depths {
            let problem = format!(
                "it has a number for each stage, and `depths` {:?} has {depths} of them",
                self.depths
            );
            return Err(bad("num_heads", format!("{:?}", self.num_heads), problem));
        }
        Ok(())
    }

    /// The sizes of the blocks of a stage.
    fn block(&self, stage: usize, width: usize, heads: usize) -> Result<BlockSizes> {
        if width == 0 || width > MAX_WIDTH {
            let problem = format!(
                "it must be at least 1, and stage {stage} would have {width} channels of at most {MAX_WIDTH}"
            );
            return Err(bad("embed_dim", self.embed_dim, problem));
        }
        count("num_heads", heads, MAX_WIDTH)?;
        if !width.is_multiple_of(heads) {
            let problem = format!(
                "{heads} heads do not divide the {width} channels of stage {stage} evenly; take another number \
                 there, or another `embed_dim`"
            );
            return Err(bad("num_heads", format!("{:?}", self.num_heads), problem));
        }
        Ok(BlockSizes {
            width,
            heads,
            hidden: hidden(width, self.mlp_ratio)?,
        })
    }
}
