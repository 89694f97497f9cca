//! Accuracy of a model on a loader's images.

use spectralkd_base::progress::Progress;
use spectralkd_datasets::old::Loader;
use spectralkd_evaluation::accuracy::Accuracy;
use spectralkd_models::{Taps, VisionModel};
use spectralkd_nn::Pass;

use crate::error::Result;

/// Runs the model over all images of the loader, unaugmented, `batch` at a time.
///
/// # Errors
/// Reading images or the forward pass failed, or logits are not finite.
pub fn score(
    model: &dyn VisionModel,
    loader: &Loader,
    batch: usize,
    progress: Option<(&dyn Progress, &str)>,
) -> Result<Accuracy> {
    let indices: Vec<u32> = (0..loader.set().len() as u32).collect();
    let mut stage = progress.map(|(p, name)| p.stage(name, indices.len() as u64, "images"));
    let mut accuracy = Accuracy::new();
    for chunk in indices.chunks(batch) {
        let images = loader.fixed(chunk, false)?;
        let output = model.forward(&images.images, &Taps::None, &Pass::eval())?;
        accuracy.push(&output.logits, &images.labels)?;
        if let Some(stage) = &mut stage {
            stage.advance(chunk.len() as u64);
        }
    }
    Ok(accuracy)
}
