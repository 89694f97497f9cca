//! Accuracy of a model on a loader's images.

use candle_core::{Device, Tensor};
use spectralkd_base::progress::Progress;
use spectralkd_datasets::{Batch, Loader, Sampler};
use spectralkd_distillation::Student;
use spectralkd_evaluation::accuracy::Accuracy;
use spectralkd_models::Taps;
use spectralkd_nn::Pass;

use crate::error::{Error, Result};

/// Runs the student over all images of the loader, `batch` at a time.
///
/// # Errors
/// Images without labels, reading them or the forward pass failed, or logits are not finite.
pub fn score(student: &Student, loader: &Loader, batch: usize) -> Result<Accuracy> {
    let logits = |views: &Batch| -> Result<Tensor> {
        let images = student.render.render(views, student.device())?;
        let output = student.model.forward(&images, &Taps::None, &Pass::eval())?;
        Ok(output.logits)
    };
    score_logits(logits, loader, batch, None)
}

/// Scores the logits [B, K] that `logits` gives for all images of the loader, `batch` at a time.
///
/// # Errors
/// As [`score`].
pub fn score_logits(
    logits: impl Fn(&Batch) -> Result<Tensor>,
    loader: &Loader,
    batch: usize,
    progress: Option<(&dyn Progress, &str)>,
) -> Result<Accuracy> {
    let images = loader.dataset().len();
    let mut stage = progress.map(|(p, name)| p.stage(name, images as u64, "images"));
    let mut accuracy = Accuracy::new();
    for views in loader.stream(Sampler::plain(images, batch)?) {
        let views = views?;
        let labels = views.labels_tensor(&Device::Cpu)?.ok_or_else(|| {
            Error::Data("accuracy needs labels, and these images have none".into())
        })?;
        accuracy.push(&logits(&views)?, &labels)?;
        if let Some(stage) = &mut stage {
            stage.advance(views.len() as u64);
        }
    }
    Ok(accuracy)
}
