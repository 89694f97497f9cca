//! Sizes of a model, as they stand in a TOML file.
//!
//! These types hold what was written, unchecked. [`ModelConfig::validate`] checks it, as do all methods that
//! need the sizes; the checked form stays inside the crate.

mod cait;
mod deit;
mod swin;
mod zero_gradient;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use spectralkd_nn::Builder;

pub use cait::CaitConfig;
pub use deit::DeitConfig;
pub use swin::SwinConfig;

use crate::{ModelInfo, Result, VisionModel, assembly};

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
    /// A plain Vision Transformer with a class token and, if asked for, a distillation token.
    Deit(DeitConfig),
    /// A Vision Transformer with talking heads, LayerScale and class-attention blocks.
    Cait(CaitConfig),
    /// A Vision Transformer in stages, with attention within shifted windows.
    Swin(SwinConfig),
}

fn four() -> f64 {
    4.0
}

impl ModelConfig {
    /// Checks that a model can have these sizes.
    ///
    /// # Errors
    /// [`crate::Error::Config`] names the first key that is at fault, its value, and what it could be.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Deit(config) => config.sizes().map(|_| ()),
            Self::Cait(config) => config.sizes().map(|_| ()),
            Self::Swin(config) => config.sizes().map(|_| ()),
        }
    }

    /// Builds the model, taking its parameters from `vb` by timm's names. `vb` decides what they are: trainable
    /// and freshly initialised ones from [`spectralkd_nn::Params::builder`]; for weights that stay as they are,
    /// see [`crate::frozen`]. It also decides the form in which the layers compute ([`spectralkd_nn::Form`]).
    ///
    /// # Errors
    /// [`crate::Error::Config`]; or what `vb` says of a parameter that it does not have, or has in another shape.
    pub fn build<'a>(&self, vb: impl Into<Builder<'a>>) -> Result<Box<dyn VisionModel>> {
        assembly::build(self, vb.into())
    }

    /// What a model of these sizes is and costs, without making one.
    ///
    /// # Errors
    /// [`crate::Error::Config`].
    pub fn info(&self) -> Result<ModelInfo> {
        assembly::info(self)
    }

    /// The names and shapes of all parameters, as in timm's state dict, without making any.
    ///
    /// # Errors
    /// [`crate::Error::Config`].
    pub fn parameters(&self) -> Result<BTreeMap<String, Vec<usize>>> {
        assembly::parameters(self)
    }

    /// The family's name, "deit", "cait" or "swin".
    pub fn family(&self) -> &'static str {
        match self {
            Self::Deit(_) => "deit",
            Self::Cait(_) => "cait",
            Self::Swin(_) => "swin",
        }
    }

    /// Height and width of the images, pixels, as configured.
    pub fn img_size(&self) -> [usize; 2] {
        match self {
            Self::Deit(DeitConfig { img_size, .. })
            | Self::Cait(CaitConfig { img_size, .. })
            | Self::Swin(SwinConfig { img_size, .. }) => *img_size,
        }
    }

    /// Channels of the images, as configured.
    pub fn in_chans(&self) -> usize {
        match self {
            Self::Deit(DeitConfig { in_chans, .. })
            | Self::Cait(CaitConfig { in_chans, .. })
            | Self::Swin(SwinConfig { in_chans, .. }) => *in_chans,
        }
    }

    /// Number of logits, as configured.
    pub fn num_classes(&self) -> usize {
        match self {
            Self::Deit(DeitConfig { num_classes, .. })
            | Self::Cait(CaitConfig { num_classes, .. })
            | Self::Swin(SwinConfig { num_classes, .. }) => *num_classes,
        }
    }

    /// Drop-path probability, as configured.
    pub fn drop_path(&self) -> f64 {
        match self {
            Self::Deit(DeitConfig { drop_path, .. })
            | Self::Cait(CaitConfig { drop_path, .. })
            | Self::Swin(SwinConfig { drop_path, .. }) => *drop_path,
        }
    }

    /// The same model for images of another height and width, pixels.
    pub fn with_img_size(mut self, size: [usize; 2]) -> Self {
        match &mut self {
            Self::Deit(DeitConfig { img_size, .. })
            | Self::Cait(CaitConfig { img_size, .. })
            | Self::Swin(SwinConfig { img_size, .. }) => *img_size = size,
        }
        self
    }

    /// The same model for images with another number of channels.
    pub fn with_in_chans(mut self, channels: usize) -> Self {
        match &mut self {
            Self::Deit(DeitConfig { in_chans, .. })
            | Self::Cait(CaitConfig { in_chans, .. })
            | Self::Swin(SwinConfig { in_chans, .. }) => *in_chans = channels,
        }
        self
    }

    /// The same model with another number of logits.
    pub fn with_num_classes(mut self, classes: usize) -> Self {
        match &mut self {
            Self::Deit(DeitConfig { num_classes, .. })
            | Self::Cait(CaitConfig { num_classes, .. })
            | Self::Swin(SwinConfig { num_classes, .. }) => *num_classes = classes,
        }
        self
    }

    /// The same model with another drop-path probability.
    pub fn with_drop_path(mut self, probability: f64) -> Self {
        match &mut self {
            Self::Deit(DeitConfig { drop_path, .. })
            | Self::Cait(CaitConfig { drop_path, .. })
            | Self::Swin(SwinConfig { drop_path, .. }) => *drop_path = probability,
        }
        self
    }
}
