//! What losses need to know of a model.

use spectralkd_losses::{Head, Shapes};
use spectralkd_models::ModelInfo;

/// The classes, heads and feature maps of a model, as losses are built against them.
pub fn shapes(info: &ModelInfo) -> Shapes {
    let mut heads = vec![Head::Mean, Head::Class];
    if info.distilled {
        heads.push(Head::Distillation);
    }
    Shapes {
        classes: info.classes,
        heads,
        taps: info.taps.clone(),
        prefix: info.prefix,
    }
}
