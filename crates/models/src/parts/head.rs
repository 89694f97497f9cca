//! From the class token to logits.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use spectralkd_nn::{LayerNorm, Linear};

use super::EPSILON;
use crate::sizes::Sizes;
use crate::{Result, cost};

/// The last norm and the classifier, `head(norm(cls))`.
///
/// timm normalises all tokens and then takes the first. A norm acts on each token by itself, so that
/// normalising the class token alone gives the same logits.
#[derive(Debug)]
pub(crate) struct Head {
    norm: LayerNorm,
    linear: Linear,
}

impl Head {
    /// A head with the parameters `norm.*` and `head.*`.
    pub fn new(sizes: &Sizes, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            norm: LayerNorm::new(sizes.width, EPSILON, vb.pp("norm"))?,
            linear: Linear::new(sizes.width, sizes.classes, true, vb.pp("head"))?,
        })
    }

    /// Tokens [B, T, C], the class token first, to logits [B, K].
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let class = tokens.narrow(1, 0, 1)?.squeeze(1)?;
        Ok(self.linear.forward(&self.norm.forward(&class)?)?)
    }

    /// Multiply-accumulates of one image as timm computes it, with a norm on `tokens` tokens.
    pub fn macs(sizes: &Sizes, tokens: usize) -> u128 {
        cost::layer_norm(tokens, sizes.width) + cost::linear(1, sizes.width, sizes.classes)
    }
}
