//! What every model offers, whatever its family.

use std::collections::BTreeSet;

use candle_core::Tensor;
use spectralkd_nn::Pass;

use crate::{Error, Result, Taps};

/// A model that turns images into logits and, on request, into the feature maps of its taps.
pub trait VisionModel: Send + Sync {
    /// What the model is.
    fn info(&self) -> &ModelInfo;

    /// Computes the logits of `images` [B, C, H, W] (normalised, of the model's number type) and the
    /// feature maps that `taps` asks for; no others are made. Gradients flow through both.
    ///
    /// # Errors
    /// [`Error::Images`] if the images are not of the model's shape, [`Error::Tap`] or [`Error::LastTaps`] if the model
    /// has no such tap, before anything is computed.
    fn forward(&self, images: &Tensor, taps: &Taps, pass: &Pass) -> Result<Output>;
}

/// What a forward pass computed.
#[derive(Clone, Debug)]
pub struct Output {
    /// One row of logits per image, [B, K].
    pub logits: Tensor,
    /// The feature maps asked for, in ascending order: the tap's index and the residual stream after the block
    /// (DeiT, CaiT) or stage (Swin), [B, C, H, W], un-normed and without class and distillation token, as timm's
    /// `forward_intermediates` gives them.
    pub features: Vec<(usize, Tensor)>,
}

/// What a model is and costs; known from its configuration alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// "deit", "cait" or "swin".
    pub family: &'static str,
    /// Shape of an image: channels, height, width.
    pub image: [usize; 3],
    /// Number of logits.
    pub classes: usize,
    /// Number of trainable numbers, exact.
    pub params: u64,
    /// Multiply-accumulates of one image's forward pass, counted as the published numbers of timm are (by
    /// fvcore): one for each in a matrix product, patch embedding and attention included, and 5 per value that
    /// a layer norm normalises; biases, softmax, GELU, LayerScale and residual additions are free. For the
    /// published sizes it is timm's number to all its digits.
    pub macs: u64,
    /// Shape of each tap's feature map, without the batch: channels, height, width.
    pub taps: Vec<[usize; 3]>,
    /// Parameters that timm exempts from weight decay by name (biases and other 1-d parameters are exempt by
    /// timm's rule, not by this list).
    pub no_weight_decay: BTreeSet<String>,
}

impl ModelInfo {
    /// Checks that `images` is [B, C, H, W] with this model's C, H and W, and at least one image.
    pub(crate) fn check_images(&self, images: &Tensor) -> Result<()> {
        match images.dims() {
            [batch, image @ ..] if *batch > 0 && *image == self.image => Ok(()),
            found => Err(Error::Images {
                found: found.to_vec(),
                expected: self.image,
            }),
        }
    }
}
