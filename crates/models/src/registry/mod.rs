//! timm's models by name: sizes, published weights, preprocessing.
//!
//! ```
//! use spectralkd_models::registry;
//!
//! let entry = registry::find("cait_s24_224")?;
//! assert_eq!(entry.repository(), "timm/cait_s24_224.fb_dist_in1k");
//! assert_eq!(entry.config.info()?.taps, [[384, 14, 14]; 24]);
//!
//! // Its sizes for another task.
//! let config = entry.config.with_img_size([256, 192]).with_num_classes(10);
//! assert_eq!(config.info()?.taps[0], [384, 16, 12]);
//!
//! let error = registry::find("cait_s24_244").unwrap_err().to_string();
//! assert!(error.starts_with("no model is called `cait_s24_244`; the nearest is `cait_s24_224`"));
//! # Ok::<(), spectralkd_models::Error>(())
//! ```
//!
//! A name without a tag means the weights of [`Entry::tag`]. For Swin that is `ms_in1k`, trained on ImageNet-1k
//! alone: the paper's teacher. timm's own choice for `swin_small` and `swin_base` is `ms_in22k_ft_in1k`
//! ([`Entry::timm_tag`]), and `swin_large` has no weights from ImageNet-1k alone.

mod models;

use spectralkd_base::closest;

use crate::{Error, ModelConfig, Result};

/// The mean of ImageNet's pixels per channel, on a scale from 0 to 1, as timm has it.
pub const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// The standard deviation of ImageNet's pixels per channel, on a scale from 0 to 1, as timm has it.
pub const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];

/// A model that timm knows by name, with one of its sets of weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// timm's name.
    pub name: &'static str,
    /// The tag of the weights.
    pub tag: &'static str,
    /// All tags under which timm has weights for the model; the first is taken for a name alone.
    pub tags: &'static [&'static str],
    /// The tag that timm takes for the name alone.
    pub timm_tag: &'static str,
    /// The model's sizes with timm's defaults: the resolution and classes of the weights, colour images, Swin's drop
    /// path of 0.1. Change them with [`ModelConfig::with_img_size`] and the like.
    pub config: ModelConfig,
    /// How a picture becomes the model's input.
    pub preprocessing: Preprocessing,
}

/// How a picture becomes a model's input: resize (bicubic, antialiased, keeping the aspect ratio) so that the shorter
/// side is that of the input divided by `crop_pct`, rounded down; cut the input out of the centre; scale pixels to
/// 0..1, subtract `mean` and divide by `std`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preprocessing {
    /// The side of the input over the side of the resized picture, in (0, 1].
    pub crop_pct: f64,
    /// Per channel, red, green, blue.
    pub mean: [f64; 3],
    /// Per channel, red, green, blue.
    pub std: [f64; 3],
}

impl Entry {
    /// The repository of the weights on the Hugging Face hub, "timm/NAME.TAG".
    pub fn repository(&self) -> String {
        format!("timm/{}.{}", self.name, self.tag)
    }

    /// The same model with the weights of `tag`; the number of classes is that of these weights.
    ///
    /// # Errors
    /// [`Error::UnknownTag`] lists the model's tags.
    pub fn with_tag(self, tag: &str) -> Result<Self> {
        let Some(known) = self.tags.iter().find(|known| **known == tag) else {
            return Err(Error::UnknownTag {
                model: self.name,
                tag: tag.to_string(),
                nearest: closest(tag, self.tags.iter().copied()).unwrap_or_default(),
                known: self.tags.to_vec(),
            });
        };
        let config = self.config.with_num_classes(models::classes(known));
        Ok(Self {
            tag: known,
            config,
            ..self
        })
    }
}

/// All models, each with its default weights: families in the order DeiT, CaiT, Swin, small ones first.
pub fn entries() -> Vec<Entry> {
    models::entries()
}

/// The model of a name, "cait_s24_224", or of a name with a tag, "swin_tiny_patch4_window7_224.ms_in22k".
///
/// # Errors
/// [`Error::UnknownModel`] names the nearest model and lists all, [`Error::UnknownTag`] the same of a known model's
/// tags.
pub fn find(name: &str) -> Result<Entry> {
    let (model, tag) = match name.split_once('.') {
        Some((model, tag)) => (model, Some(tag)),
        None => (name, None),
    };
    let entry = entries().into_iter().find(|entry| entry.name == model);
    let entry = entry.ok_or_else(|| unknown(model))?;
    match tag {
        Some(tag) => entry.with_tag(tag),
        None => Ok(entry),
    }
}

/// The error for a name that no model has.
pub(crate) fn unknown(name: &str) -> Error {
    let known: Vec<&str> = entries().iter().map(|entry| entry.name).collect();
    Error::UnknownModel {
        name: name.to_string(),
        nearest: closest(name, known.iter().copied()).unwrap_or_default(),
        known,
    }
}
