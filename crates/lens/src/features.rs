//! Logits and feature maps of any model on any images, as a safetensors file.

use std::collections::BTreeMap;
use std::path::Path;

use spectralkd_base::progress::Progress;
use spectralkd_models::Taps;
use spectralkd_models::tensor_file::write_slices;

use crate::error::{Error, Result};
use crate::{LoadedModel, ModelImages};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Name and shape of every tensor.
    pub tensors: BTreeMap<String, Vec<usize>>,
}

/// Runs the model over the images, `batch` at a time, and writes `logits` f32 [B, K] and
/// `features.<i>` f32 [B, C, H, W] for every tap i that is asked for, un-normed and without
/// prefix tokens, as timm's `forward_intermediates` gives them. The metadata names model,
/// weights and pictures.
///
/// # Errors
/// A tap that the model does not have, images that cannot be read, logits or features that are
/// not finite, or a file that cannot be written.
pub fn write(
    loaded: &LoadedModel,
    images: &mut ModelImages,
    taps: &Taps,
    batch: usize,
    output: &Path,
    progress: &dyn Progress,
) -> Result<Written> {
    let info = loaded.model.info();
    let count = images.len();
    let mut tensors = BTreeMap::from([("logits".to_owned(), vec![count, info.classes])]);
    for tap in taps.indices(info.taps.len())? {
        let [channels, height, width] = info.taps[tap];
        tensors.insert(feature(tap), vec![count, channels, height, width]);
    }
    let metadata = serde_json::json!({
        "model": loaded.name,
        "weights": loaded.origin,
        "weights_sha256": loaded.sha256,
        "images": images.names(),
    });
    let mut stage = progress.stage("images", count as u64, "images");
    write_slices(output, &tensors, &metadata, |file| {
        for first in (0..count).step_by(batch.max(1)) {
            let images = images.batch(first, batch.max(1).min(count - first))?;
            let (logits, maps) = loaded.forward(&images, taps)?;
            let named = maps.iter().map(|(i, map)| (feature(*i), map));
            for (name, tensor) in named.chain([("logits".to_owned(), &logits)]) {
                check_finite(&name, tensor, first)?;
                file.push(&name, tensor)?;
            }
            stage.advance(images.dim(0)? as u64);
        }
        Ok::<(), Error>(())
    })?;
    Ok(Written { tensors })
}

fn feature(tap: usize) -> String {
    format!("features.{tap}")
}

fn check_finite(name: &str, tensor: &candle_core::Tensor, first: usize) -> Result<()> {
    // A sum is finite where all its terms are, unless it overflows, which is no better.
    let sum = tensor.to_dtype(candle_core::DType::F64)?.sum_all()?;
    if sum.to_scalar::<f64>()?.is_finite() {
        return Ok(());
    }
    Err(Error::NotFinite {
        tensor: name.to_owned(),
        first,
    })
}
