//! The checked form of a configuration.

use crate::{Error, Result};

/// The most blocks of one kind.
pub(crate) const MAX_DEPTH: usize = 1 << 10;
/// The widest tokens and MLPs, the largest images and the most channels. Far above any model there is; with
/// [`MAX_TOKENS`] it keeps every element count in range.
const MAX_WIDTH: usize = 1 << 14;
/// The most logits.
const MAX_CLASSES: usize = 1 << 20;
/// The most patches of an image.
const MAX_TOKENS: usize = 1 << 16;

/// The sizes that every family's configuration has, as written there.
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

/// Checked sizes: all at least 1, `width` a multiple of `heads`, the image a whole number of patches.
#[derive(Clone, Debug)]
pub(crate) struct Sizes {
    /// Channels, height and width of an image.
    pub image: [usize; 3],
    /// Side of a patch, pixels.
    pub patch: usize,
    /// Rows and columns of patches.
    pub grid: [usize; 2],
    /// Channels of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of the MLPs.
    pub hidden: usize,
    /// Blocks that carry patch tokens.
    pub depth: usize,
    /// Logits.
    pub classes: usize,
    /// Drop-path probability as configured, in [0, 1).
    pub drop_path: f64,
}

impl Sizes {
    /// The number of patches of an image.
    pub fn patches(&self) -> usize {
        self.grid[0] * self.grid[1]
    }
}

impl Asked {
    /// Checks every size, one after the other.
    pub fn check(self) -> Result<Sizes> {
        let Self {
            img_size: [height, width],
            patch_size: patch,
            embed_dim,
            num_heads,
            ..
        } = self;
        count("patch_size", patch, MAX_WIDTH)?;
        count("img_size", height, MAX_WIDTH)?;
        count("img_size", width, MAX_WIDTH)?;
        count("in_chans", self.in_chans, MAX_WIDTH)?;
        count("num_classes", self.num_classes, MAX_CLASSES)?;
        count("embed_dim", embed_dim, MAX_WIDTH)?;
        count("depth", self.depth, MAX_DEPTH)?;
        count("num_heads", num_heads, MAX_WIDTH)?;

        if height % patch != 0 || width % patch != 0 {
            let whole = |side: usize| (side / patch).max(1) * patch;
            return Err(bad(
                "img_size",
                format!("[{height}, {width}]"),
                format!(
                    "patches of {patch} x {patch} pixels do not tile it; [{}, {}] would do, or another `patch_size`",
                    whole(height),
                    whole(width)
                ),
            ));
        }
        let grid = [height / patch, width / patch];
        if grid[0] * grid[1] > MAX_TOKENS {
            let problem = format!(
                "it makes {} patches of {patch} x {patch} pixels, more than {MAX_TOKENS}; take a larger `patch_size`",
                grid[0] * grid[1]
            );
            return Err(bad("img_size", format!("[{height}, {width}]"), problem));
        }
        if embed_dim % num_heads != 0 {
            let problem = format!(
                "{num_heads} heads do not divide it evenly; {} would do, or another `num_heads`",
                embed_dim.div_ceil(num_heads) * num_heads
            );
            return Err(bad("embed_dim", embed_dim, problem));
        }
        // As Python's int(): towards zero. Too large and NaN become sizes that fail the next check.
        let hidden = (embed_dim as f64 * self.mlp_ratio) as usize;
        if hidden == 0 || hidden > 4 * MAX_WIDTH {
            let problem = format!(
                "the MLPs would have {hidden} hidden channels at `embed_dim` {embed_dim}, instead of 1 to {}; \
                 4 is usual",
                4 * MAX_WIDTH
            );
            return Err(bad("mlp_ratio", self.mlp_ratio, problem));
        }
        if !(0.0..1.0).contains(&self.drop_path) {
            let problem =
                "a probability of dropping a branch is at least 0 and below 1; 0 turns it off"
                    .to_string();
            return Err(bad("drop_path", self.drop_path, problem));
        }
        Ok(Sizes {
            image: [self.in_chans, height, width],
            patch,
            grid,
            width: embed_dim,
            heads: num_heads,
            hidden,
            depth: self.depth,
            classes: self.num_classes,
            drop_path: self.drop_path,
        })
    }
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

fn bad(field: &'static str, value: impl ToString, problem: String) -> Error {
    Error::Config {
        field,
        value: value.to_string(),
        problem,
    }
}
