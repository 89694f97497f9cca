//! From tokens to logits.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use spectralkd_nn::{LayerNorm, Linear, tokens};

use crate::{Result, cost};

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
    /// The first two tokens, class and distillation: the mean of two classifiers.
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
        vb: VarBuilder,
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
    pub fn of_mean(width: usize, classes: usize, epsilon: f64, vb: VarBuilder) -> Result<Self> {
        let linear = Linear::new(width, classes, true, vb.pp("head").pp("fc"))?;
        Self::new(width, epsilon, Classifier::Mean(linear), &vb)
    }

    fn new(width: usize, epsilon: f64, classifier: Classifier, vb: &VarBuilder) -> Result<Self> {
        let norm = LayerNorm::new(width, epsilon, vb.pp("norm"))?;
        Ok(Self { norm, classifier })
    }

    /// Tokens [B, T, C] to logits [B, K].
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let token =
            |i| -> Result<Tensor> { Ok(self.norm.forward(&tokens.narrow(1, i, 1)?.squeeze(1)?)?) };
        Ok(match &self.classifier {
            Classifier::Token(linear) => linear.forward(&token(0)?)?,
            Classifier::TwoTokens(class, distillation) => {
                let logits = class.forward(&token(0)?)? + distillation.forward(&token(1)?)?;
                (logits? * 0.5)?
            }
            Classifier::Mean(linear) => {
                linear.forward(&tokens::mean(&self.norm.forward(tokens)?)?)?
            }
        })
    }

    /// Multiply-accumulates of one image as timm computes it, with a norm on `tokens` tokens and
    /// `classifiers` linear layers.
    pub fn macs(tokens: usize, width: usize, classes: usize, classifiers: usize) -> u128 {
        cost::layer_norm(tokens, width) + classifiers as u128 * cost::linear(1, width, classes)
    }
}
