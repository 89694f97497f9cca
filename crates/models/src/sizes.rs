//! The checked form of a configuration.

use crate::{Error, Result};

/// The most blocks of one kind.
pub(crate) const MAX_DEPTH: usize = 1 << 10;
/// The widest tokens and MLPs, the largest images and the most channels. Far above any model there is; with
/// [`MAX_TOKENS`] it keeps every element count in range.
pub(crate) const MAX_WIDTH: usize = 1 << 14;
/// The most logits.
const MAX_CLASSES: usize = 1 << 20;
/// The most patches of an image.
const MAX_TOKENS: usize = 1 << 16;

/// The sizes that DeiT's and CaiT's configurations have, as written there.
pub(crate) struct Asked {
    pub img_size: [usize; 2],
    pub patch_size: usize,
    pub in_chans: usize,
    pub num_classes: usize,
    pub embed_dim: usize,
    pub depth: usize,
    pub num_heads: usize,
    pub mlp_ratio: f64,
    pub drop_path: f64,
}

/// Checked sizes of a model whose blocks are all alike.
#[derive(Clone, Debug)]
pub(crate) struct Sizes {
    /// The image and its patches.
    pub patches: Patches,
    /// One block.
    pub block: BlockSizes,
    /// Blocks that carry patch tokens.
    pub depth: usize,
    /// Logits.
    pub classes: usize,
    /// Drop-path probability as configured, in [0, 1).
    pub drop_path: f64,
}

/// Checked sizes of a model in stages.
#[derive(Clone, Debug)]
pub(crate) struct StagedSizes {
    /// The image and its patches.
    pub patches: Patches,
    /// The stages, at least one.
    pub stages: Vec<StageSizes>,
    /// Logits.
    pub classes: usize,
    /// Drop-path probability as configured, in [0, 1).
    pub drop_path: f64,
}

/// Checked sizes of a stage: blocks on maps of one shape.
#[derive(Clone, Debug)]
pub(crate) struct StageSizes {
    /// One block.
    pub block: BlockSizes,
    /// Its number of blocks, at least 1.
    pub depth: usize,
    /// Channels, rows and columns of the map that patch merging makes this stage's of; the first stage has none.
    pub merged: Option<[usize; 3]>,
    /// Rows and columns of its map.
    pub map: [usize; 2],
    /// Rows and columns of an attention window, none larger than the map's.
    pub window: [usize; 2],
    /// Rows and columns by which every second block shifts its windows.
    pub shift: [usize; 2],
}

/// An image cut into patches; all sizes at least 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patches {
    /// Channels, height and width of the image.
    pub image: [usize; 3],
    /// Side of a patch, pixels.
    pub side: usize,
    /// Rows and columns of whole patches.
    pub grid: [usize; 2],
}

/// Sizes of a transformer block, `width` a multiple of `heads`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockSizes {
    /// Channels of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of the MLP.
    pub hidden: usize,
}

impl Asked {
    /// Checks every size, one after the other.
    pub fn check(self) -> Result<Sizes> {
        let patches = Patches::check(self.img_size, self.patch_size, self.in_chans)?;
        classes(self.num_classes)?;
        count("embed_dim", self.embed_dim, MAX_WIDTH)?;
        count("depth", self.depth, MAX_DEPTH)?;
        count("num_heads", self.num_heads, MAX_WIDTH)?;
        if !self.embed_dim.is_multiple_of(self.num_heads) {
            let problem = format!(
                "{} heads do not divide it evenly; {} would do, or another `num_heads`",
                self.num_heads,
                self.embed_dim.div_ceil(self.num_heads) * self.num_heads
            );
            return Err(bad("embed_dim", self.embed_dim, problem));
        }
        Ok(Sizes {
            patches,
            block: BlockSizes {
                width: self.embed_dim,
                heads: self.num_heads,
                hidden: hidden(self.embed_dim, self.mlp_ratio)?,
            },
            depth: self.depth,
            classes: self.num_classes,
            drop_path: drop_path(self.drop_path)?,
        })
    }
}

impl Patches {
    /// Checks the sizes of the images and of their square patches.
    pub fn check([height, width]: [usize; 2], side: usize, in_chans: usize) -> Result<Self> {
        count("patch_size", side, MAX_WIDTH)?;
        count("img_size", height, MAX_WIDTH)?;
        count("img_size", width, MAX_WIDTH)?;
        count("in_chans", in_chans, MAX_WIDTH)?;
        let grid = [height / side, width / side];
        let problem = match grid[0] * grid[1] {
            0 => format!(
                "it holds no whole patch of {side} x {side} pixels; take at least [{side}, {side}], or another \
                 `patch_size`"
            ),
            many if many > MAX_TOKENS => format!(
                "it makes {many} patches of {side} x {side} pixels, more than {MAX_TOKENS}; take a larger `patch_size`"
            ),
            _ => {
                return Ok(Self {
                    image: [in_chans, height, width],
                    side,
                    grid,
                });
            }
        };
        Err(bad("img_size", format!("[{height}, {width}]"), problem))
    }

    /// The number of patches.
    pub fn count(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Rows and columns of pixels that lie in a whole patch.
    pub fn covered(&self) -> [usize; 2] {
        self.grid.map(|patches| patches * self.side)
    }
}

/// The hidden width of an MLP on `width` channels.
pub(crate) fn hidden(width: usize, mlp_ratio: f64) -> Result<usize> {
    // As Python's int(): towards zero. Too large and NaN become sizes that fail the next check.
    let hidden = (width as f64 * mlp_ratio) as usize;
    if hidden == 0 || hidden > 4 * MAX_WIDTH {
        let problem = format!(
            "the MLPs would have {hidden} hidden channels at a width of {width}, instead of 1 to {}; 4 is usual",
            4 * MAX_WIDTH
        );
        return Err(bad("mlp_ratio", mlp_ratio, problem));
    }
    Ok(hidden)
}

/// Checks the number of logits.
pub(crate) fn classes(num_classes: usize) -> Result<()> {
    count("num_classes", num_classes, MAX_CLASSES)
}

/// Checks the probability of dropping a branch.
pub(crate) fn drop_path(drop_path: f64) -> Result<f64> {
    if (0.0..1.0).contains(&drop_path) {
        return Ok(drop_path);
    }
    let problem =
        "a probability of dropping a branch is at least 0 and below 1; 0 turns it off".to_string();
    Err(bad("drop_path", drop_path, problem))
}

/// Checks that 1 <= `value` <= `max`.
pub(crate) fn count(field: &'static str, value: usize, max: usize) -> Result<()> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(bad(
        field,
        value,
        format!("it must be at least 1 and at most {max}"),
    ))
}

pub(crate) fn bad(field: &'static str, value: impl ToString, problem: String) -> Error {
    Error::Config {
        field,
        value: value.to_string(),
        problem,
    }
}
