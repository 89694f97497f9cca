//! Sizes of a model, as they stand in a TOML file.
//!
//! These types hold what was written, unchecked. [`ModelConfig::validate`] checks it, as do all methods that
//! need the sizes; the checked form stays inside the crate.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use crate::sizes::{Asked, Sizes};
use crate::{Error, ModelInfo, Result, VisionModel, assembly, cait, deit};

/// Which model, and its sizes. In TOML a table with a `family` and the keys of that family's type:
///
/// ```toml
/// [student]
/// family = "deit"
/// img_size = [28, 28]
/// patch_size = 4
/// in_chans = 1
/// num_classes = 10
/// embed_dim = 48
/// depth = 4
/// num_heads = 3
/// ```
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "family", rename_all = "lowercase", deny_unknown_fields)]
pub enum ModelConfig {
    /// A plain Vision Transformer with a class token.
    Deit(DeitConfig),
    /// A Vision Transformer with talking heads, LayerScale and class-attention blocks.
    Cait(CaitConfig),
}

/// Sizes of a DeiT (Touvron et al., 2020), timm's `VisionTransformer` with its defaults: a class token, no
/// distillation token, biases everywhere, exact GELU, layer norms of epsilon 1e-6.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct DeitConfig {
    /// Height and width of the images, pixels; each a multiple of `patch_size`.
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
}

/// Sizes of a CaiT (Touvron et al., 2021), timm's `Cait` with its defaults.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CaitConfig {
    /// Height and width of the images, pixels; each a multiple of `patch_size`.
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

fn four() -> f64 {
    4.0
}

fn tenth() -> f64 {
    0.1
}

impl ModelConfig {
    /// Checks that a model can have these sizes.
    ///
    /// # Errors
    /// [`Error::Config`] names the first key that is at fault, its value, and what it could be.
    pub fn validate(&self) -> Result<()> {
        self.sizes().map(|_| ())
    }

    /// Builds the model, taking its parameters from `vb` by timm's names. `vb` decides what they are: trainable
    /// and freshly initialised ones from [`spectralkd_nn::Params::builder`]; for weights that stay as they are,
    /// see [`crate::frozen`].
    ///
    /// # Errors
    /// [`Error::Config`]; or what `vb` says of a parameter that it does not have, or has in another shape.
    pub fn build(&self, vb: VarBuilder) -> Result<Box<dyn VisionModel>> {
        assembly::build(self, vb)
    }

    /// What a model of these sizes is and costs, without making one.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn info(&self) -> Result<ModelInfo> {
        assembly::info(self)
    }

    /// The names and shapes of all parameters, as in timm's state dict, without making any.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn parameters(&self) -> Result<BTreeMap<String, Vec<usize>>> {
        assembly::parameters(self)
    }

    /// Where the gradient of the parameter `name` is zero in exact arithmetic: a range along its first axis.
    /// `None` for parameters (and other names) of which no part is exempt.
    ///
    /// Softmax ignores what is added to all of a row's logits. A key's bias adds q·b to every logit of query q
    /// alike: the middle third of `*.attn.qkv.bias`, and all of `*.attn.k.bias` in CaiT's class attention. So
    /// does the bias of CaiT's first talking-heads projection, `*.attn.proj_l.bias`. Their computed gradients are
    /// rounding noise. The range follows the name and the configured width; it is not checked that the model has
    /// the block.
    pub fn zero_gradient(&self, name: &str) -> Option<Range<usize>> {
        let (width, heads) = match self {
            Self::Deit(c) => (c.embed_dim, c.num_heads),
            Self::Cait(c) => (c.embed_dim, c.num_heads),
        };
        let (module, parameter) = name.rsplit_once(".attn.")?;
        let token_only = module.starts_with("blocks_token_only.");
        match (self, parameter) {
            (Self::Deit(_), "qkv.bias") => Some(width..2 * width),
            (Self::Cait(_), "qkv.bias") if !token_only => Some(width..2 * width),
            (Self::Cait(_), "proj_l.bias") if !token_only => Some(0..heads),
            (Self::Cait(_), "k.bias") if token_only => Some(0..width),
            _ => None,
        }
    }

    /// The family's name, "deit" or "cait".
    pub fn family(&self) -> &'static str {
        match self {
            Self::Deit(_) => deit::FAMILY,
            Self::Cait(_) => cait::FAMILY,
        }
    }

    /// The sizes that all families have, checked, with the family's own.
    pub(crate) fn sizes(&self) -> Result<Sizes> {
        match self {
            Self::Deit(config) => config.sizes(),
            Self::Cait(config) => config.sizes(),
        }
    }
}

impl DeitConfig {
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
        crate::sizes::count(
            "depth_token_only",
            self.depth_token_only,
            crate::sizes::MAX_DEPTH,
        )?;
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
