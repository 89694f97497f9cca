//! CaiT's configuration.

use serde::{Deserialize, Serialize};

use super::four;
use crate::sizes::{Asked, MAX_DEPTH, Sizes, count};
use crate::{Error, Result};

/// Sizes of a CaiT (Touvron et al., 2021), timm's `Cait` with its defaults.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CaitConfig {
    /// Height and width of the images, pixels; each at least `patch_size`. Pixels beyond the last whole patch, at the
    /// bottom and on the right, are not seen, as in timm.
    pub img_size: [usize; 2],
    /// Side of the square patches, pixels.
    pub patch_size: usize,
    /// Channels of the images: 3 for colour, 1 for grey.
    pub in_chans: usize,
    /// Number of logits.
    pub num_classes: usize,
    /// Channels of every token and feature map; a multiple of `num_heads`.
    pub embed_dim: usize,
    /// Number of patch blocks, each of which is a tap.
    pub depth: usize,
    /// Attention heads of every block.
    pub num_heads: usize,
    /// Hidden width of the patch blocks' MLPs as a multiple of `embed_dim`, rounded down. Default 4. (The
    /// class-attention blocks have 4, as in timm.)
    #[serde(default = "four")]
    pub mlp_ratio: f64,
    /// Probability, in [0, 1), that a sample skips a residual branch of a patch block in training; the same
    /// for all of them, and 0 in class-attention blocks, as in timm. Default 0.
    #[serde(default)]
    pub drop_path: f64,
    /// Number of class-attention blocks after the patch blocks; they are no taps. Default 2.
    #[serde(default = "two")]
    pub depth_token_only: usize,
    /// Initial value of every LayerScale weight, above 0. The paper takes 0.1 up to depth 18 (the default here),
    /// 1e-5 at 24 and 1e-6 beyond. Loaded weights replace it.
    #[serde(default = "tenth")]
    pub init_values: f64,
}

fn two() -> usize {
    2
}

fn tenth() -> f64 {
    0.1
}

impl CaitConfig {
    /// The checked sizes; with them, this type's own fields have been checked too.
    pub(crate) fn sizes(&self) -> Result<Sizes> {
        let sizes = Asked {
            img_size: self.img_size,
            patch_size: self.patch_size,
            in_chans: self.in_chans,
            num_classes: self.num_classes,
            embed_dim: self.embed_dim,
            depth: self.depth,
            num_heads: self.num_heads,
            mlp_ratio: self.mlp_ratio,
            drop_path: self.drop_path,
        }
        .check()?;
        count("depth_token_only", self.depth_token_only, MAX_DEPTH)?;
        if !(self.init_values > 0.0 && self.init_values.is_finite()) {
            return Err(Error::Config {
                field: "init_values",
                value: self.init_values.to_string(),
                problem: "LayerScale starts at a finite number above 0 (at 0 no block would get a gradient), \
                          0.1 for up to 18 blocks"
                    .to_string(),
            });
        }
        Ok(sizes)
    }
}
