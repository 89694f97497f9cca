//! From tokens to logits.

use candle_core::Tensor;
use spectralkd_nn::{Builder, LayerNorm, Linear, tokens};

use crate::{Heads, Result, cost};

/// The last norm and the classifier.
#[derive(Debug)]
pub(crate) struct Head {
    norm: LayerNorm,
    classifier: Classifier,
}

/// What the logits are of.
///
/// timm normalises all tokens and then takes the first ones. A norm acts on each token by itself, so that
/// normalising those alone gives the same logits.
#[derive(Debug)]
enum Classifier {
    /// The first token.
    Token(Linear),
    /// The first two tokens, class and distillation, each with a classifier of its own.
    TwoTokens(Linear, Linear),
    /// The mean of all tokens, after the norm.
    Mean(Linear),
}

impl Head {
    /// DeiT's and CaiT's, `head(norm(cls))`: the parameters `norm.*` and `head.*`; with two tokens
    /// `head_dist.*` too.
    pub fn of_tokens(
        width: usize,
        classes: usize,
        distilled: bool,
        epsilon: f64,
        vb: Builder,
    ) -> Result<Self> {
        let linear = |name: &str| Linear::new(width, classes, true, vb.pp(name));
        let classifier = if distilled {
            Classifier::TwoTokens(linear("head")?, linear("head_dist")?)
        } else {
            Classifier::Token(linear("head")?)
        };
        Self::new(width, epsilon, classifier, &vb)
    }

    /// Swin's, `head.fc(mean(norm(x)))`: the parameters `norm.*` and `head.fc.*`.
    pub fn of_mean(width: usize, classes: usize, epsilon: f64, vb: Builder) -> Result<Self> {
        let linear = Linear::new(width, classes, true, vb.pp("head").pp("fc"))?;
        Self::new(width, epsilon, Classifier::Mean(linear), &vb)
    }

    fn new(width: usize, epsilon: f64, classifier: Classifier, vb: &Builder) -> Result<Self> {
        let norm = LayerNorm::new(width, epsilon, vb.pp("norm"))?;
        Ok(Self { norm, classifier })
    }

    /// Tokens [B, T, C] to logits [B, K].
    pub fn forward(&self, tokens: &Tensor) -> Result<Heads> {
        let token =
            |i| -> Result<Tensor> { Ok(self.norm.forward(&tokens.narrow(1, i, 1)?.squeeze(1)?)?) };
        let (class, distillation) = match &self.classifier {
            Classifier::Token(linear) => (linear.forward(&token(0)?)?, None),
            Classifier::TwoTokens(class, distillation) => (
                class.forward(&token(0)?)?,
                Some(distillation.forward(&token(1)?)?),
            ),
            Classifier::Mean(linear) => {
                let mean = tokens::mean(&self.norm.forward(tokens)?)?;
                (linear.forward(&mean)?, None)
            }
        };
        Ok(Heads {
            class,
            distillation,
        })
    }

    /// Multiply-accumulates of one image as timm computes it, with a norm on `tokens` tokens and
    /// `classifiers` linear layers.
    pub fn macs(tokens: usize, width: usize, classes: usize, classifiers: usize) -> u128 {
        cost::layer_norm(tokens, width) + classifiers as u128 * cost::linear(1, width, classes)
    }
}
