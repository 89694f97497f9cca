//! DeiT's configuration.

use serde::{Deserialize, Serialize};

use super::four;
use crate::Result;
use crate::sizes::{Asked, Sizes};

/// Sizes of a DeiT (Touvron et al., 2020), timm's `VisionTransformer` with its defaults: a class token,
/// biases everywhere, exact GELU, layer norms of epsilon 1e-6. With `distilled` timm's `VisionTransformerDistilled`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct DeitConfig {
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
    /// Number of blocks, each of which is a tap.
    pub depth: usize,
    /// Attention heads of every block.
    pub num_heads: usize,
    /// Hidden width of the blocks' MLPs as a multiple of `embed_dim`, rounded down. Default 4.
    #[serde(default = "four")]
    pub mlp_ratio: f64,
    /// Probability, in [0, 1), that a sample skips a residual branch of the last block in training; it
    /// rises linearly from 0 at the first block, as in timm. Default 0.
    #[serde(default)]
    pub drop_path: f64,
    /// Whether there are a distillation token beside the class token and a head for it; the logits are then the
    /// mean of both heads', in training too (timm, unless told to train them apart). Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub distilled: bool,
}

impl DeitConfig {
    /// Tokens before the patches: the class token, and the distillation token if there is one.
    pub(crate) fn prefix(&self) -> usize {
        if self.distilled { 2 } else { 1 }
    }

    /// The checked sizes.
    pub(crate) fn sizes(&self) -> Result<Sizes> {
        Asked {
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
        .check()
    }
}
