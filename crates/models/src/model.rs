//! What every model offers, whatever its family.

use std::collections::BTreeSet;

use candle_core::Tensor;
use spectralkd_nn::Pass;

use crate::{Error, Result, Taps};

/// A model that turns images into logits and, on request, into the feature maps of its taps.
pub trait VisionModel: Send + Sync {
    /// What the model is.
    fn info(&self) -> &ModelInfo;

    /// Computes the logits of `images` [B, C, H, W] (normalised, of the model's number type) and what is `wanted` of
    /// the taps; nothing else is made. Gradients flow through all of it.
    ///
    /// # Errors
    /// Before anything is computed: [`Error::Images`] if the images are not of the model's shape; [`Error::Tap`] or
    /// [`Error::LastTaps`] if the model has no such tap; [`Error::NoPrefix`] if prefix tokens are wanted of a model
    /// whose taps have none.
    fn outputs(&self, images: &Tensor, wanted: &Wanted, pass: &Pass) -> Result<Output>;

    /// As [`outputs`](Self::outputs), with the feature maps that `taps` asks for and no prefix tokens.
    ///
    /// # Errors
    /// As [`outputs`](Self::outputs).
    fn forward(&self, images: &Tensor, taps: &Taps, pass: &Pass) -> Result<Output> {
        self.outputs(images, &Wanted::maps(taps.clone()), pass)
    }
}

/// What is wanted of a model's taps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Taps whose feature maps are wanted.
    pub maps: Taps,
    /// Taps whose prefix tokens are wanted: the class token, and the distillation token if there is one.
    pub prefix: Taps,
}

impl Wanted {
    /// Feature maps alone.
    pub fn maps(maps: Taps) -> Self {
        let prefix = Taps::None;
        Self { maps, prefix }
    }
}

/// What a forward pass computed.
#[derive(Clone, Debug)]
pub struct Output {
    /// One row of logits per image, [B, K]: the mean over the heads, in training too.
    pub logits: Tensor,
    /// The logits of each head.
    pub heads: Heads,
    /// The feature maps asked for, in ascending order: the tap's index and the residual stream after the block
    /// (DeiT, CaiT) or stage (Swin), [B, C, H, W], un-normed and without class and distillation token, as timm's
    /// `forward_intermediates` gives them.
    pub features: Vec<(usize, Tensor)>,
    /// The prefix tokens asked for, in ascending order: the tap's index and the tokens before the patches after the
    /// block, [B, P, C], un-normed, class token first: those of timm's
    /// `forward_intermediates(norm=False, return_prefix_tokens=True)`.
    pub prefix: Vec<(usize, Tensor)>,
}

impl Output {
    /// The outputs of a model with these heads, whose mean the logits are.
    ///
    /// # Errors
    /// [`Error::Tensor`] if the heads differ in shape.
    pub fn new(
        heads: Heads,
        features: Vec<(usize, Tensor)>,
        prefix: Vec<(usize, Tensor)>,
    ) -> Result<Self> {
        Ok(Self {
            logits: heads.mean()?,
            heads,
            features,
            prefix,
        })
    }
}

/// The logits of each head of a model.
#[derive(Clone, Debug)]
pub struct Heads {
    /// On the class token, or on the mean of all tokens (Swin), [B, K].
    pub class: Tensor,
    /// On the distillation token of a distilled DeiT, [B, K].
    pub distillation: Option<Tensor>,
}

impl Heads {
    /// The mean over the heads, [B, K]: timm's logits, unless it is told to train the heads apart.
    pub(crate) fn mean(&self) -> Result<Tensor> {
        Ok(match &self.distillation {
            Some(distillation) => ((&self.class + distillation)? * 0.5)?,
            None => self.class.clone(),
        })
    }
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
    /// Prefix tokens of each tap: 1 in a DeiT, 2 in a distilled one; 0 in a CaiT, whose class token meets the patches
    /// after the tapped blocks, and in a Swin.
    pub prefix: usize,
    /// Whether there is a head on the distillation token ([`Heads::distillation`]).
    pub distilled: bool,
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
