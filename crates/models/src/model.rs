//! What every model offers, whatever its family.

use std::collections::BTreeSet;

use candle_core::Tensor;
use spectralkd_nn::Pass;

use crate::{Error, Result};

/// A model that turns images into logits and, on request, into the feature maps of its blocks.
pub trait VisionModel: Send + Sync {
    /// What the model is.
    fn info(&self) -> &ModelInfo;

    /// Computes the logits of `images` [B, C, H, W] (normalised, of the model's number type) and the
    /// feature maps that `taps` asks for; no others are made. Gradients flow through both.
    ///
    /// # Errors
    /// [`Error::Images`] if the images are not of the model's shape, [`Error::Tap`] if the model has no such
    /// block, before anything is computed.
    fn forward(&self, images: &Tensor, taps: &Taps, pass: &Pass) -> Result<Output>;
}

/// What a forward pass computed.
#[derive(Clone, Debug)]
pub struct Output {
    /// One row of logits per image, [B, K].
    pub logits: Tensor,
    /// The feature maps asked for, in ascending order of blocks: the block's index and the residual stream
    /// after it, [B, C, H, W], un-normed and without the class token, as timm's `forward_intermediates`
    /// gives them.
    pub features: Vec<(usize, Tensor)>,
}

/// The blocks whose feature maps are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Taps {
    /// None.
    #[default]
    None,
    /// Every block (of CaiT every patch block).
    All,
    /// These blocks, counted from 0. Whatever the list's order, maps come in ascending order and once each,
    /// as in timm.
    List(Vec<usize>),
}

impl Taps {
    /// For each of `blocks` blocks whether it is asked for.
    pub(crate) fn wanted(&self, blocks: usize) -> Result<Vec<bool>> {
        match self {
            Self::None => Ok(vec![false; blocks]),
            Self::All => Ok(vec![true; blocks]),
            Self::List(list) => {
                let mut wanted = vec![false; blocks];
                for &asked in list {
                    *wanted.get_mut(asked).ok_or(Error::Tap { asked, blocks })? = true;
                }
                Ok(wanted)
            }
        }
    }
}

/// What a model is and costs; known from its configuration alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// "deit" or "cait".
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_are_collapsed_and_checked() {
        assert_eq!(Taps::None.wanted(2).unwrap(), [false, false]);
        assert_eq!(Taps::All.wanted(2).unwrap(), [true, true]);
        let list = Taps::List(vec![3, 1, 3]);
        assert_eq!(list.wanted(4).unwrap(), [false, true, false, true]);
        let error = list.wanted(3).unwrap_err().to_string();
        assert_eq!(
            error,
            "tap 3 does not exist: the model has 3 blocks, so taps are 0 to 2"
        );
    }
}
