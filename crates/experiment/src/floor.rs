//! The floor: a linear classifier on pixels, trained by the same loop.
//!
//! A student that cannot beat it has learnt nothing that needs a transformer, and a profile in which
//! the undistilled student stays below it cannot judge a claim about distillation.

use std::collections::BTreeSet;

use candle_core::Tensor;
use candle_nn::VarBuilder;
use spectralkd_models::{Heads, ModelInfo, Output, VisionModel, Wanted};
use spectralkd_nn::{Linear, Pass};

/// Multinomial logistic regression: logits = W · pixels + b.
pub struct PixelClassifier {
    head: Linear,
    info: ModelInfo,
}

impl PixelClassifier {
    /// A classifier of images `[channels, height, width]`.
    ///
    /// # Errors
    /// `vb` has no parameter `head.weight` `[classes, C*H*W]` or `head.bias` `[classes]`.
    pub fn new(image: [usize; 3], classes: usize, vb: &VarBuilder) -> spectralkd_nn::Result<Self> {
        let pixels = image.iter().product::<usize>();
        let head = Linear::new(pixels, classes, true, vb.pp("head"))?;
        let info = ModelInfo {
            family: "linear",
            image,
            classes,
            params: (pixels * classes + classes) as u64,
            macs: (pixels * classes) as u64,
            taps: Vec::new(),
            prefix: 0,
            distilled: false,
            no_weight_decay: BTreeSet::new(),
        };
        Ok(Self { head, info })
    }
}

impl VisionModel for PixelClassifier {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn outputs(
        &self,
        images: &Tensor,
        _wanted: &Wanted,
        _pass: &Pass,
    ) -> spectralkd_models::Result<Output> {
        let logits = self.head.forward(&images.flatten_from(1)?)?;
        Ok(Output {
            logits: logits.clone(),
            heads: Heads {
                class: logits,
                distillation: None,
            },
            features: Vec::new(),
            prefix: Vec::new(),
        })
    }
}
