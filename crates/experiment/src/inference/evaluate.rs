//! Accuracy of a model on labelled pictures.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use candle_core::Tensor;
use serde::Serialize;
use spectralkd_base::progress::Progress;
use spectralkd_datasets::old::{Augment, Loader, Preprocess};
use spectralkd_datasets::{ImageFolder, Kind, idx, kind};
use spectralkd_evaluation::accuracy::Accuracy;
use spectralkd_models::Taps;
use spectralkd_nn::Pass;

use super::Checkpoint;
use crate::error::{Error, Result};

/// How well a model does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// timm's name of the model.
    pub model: String,
    /// Where its weights came from.
    pub weights: String,
    /// SHA-256 of the weights' file.
    pub weights_sha256: String,
    /// The folder of images, with the split where it has several.
    pub data: String,
    /// Number of images.
    pub images: u64,
    /// Percent of images whose class has the largest logit.
    pub top1: f64,
    /// Percent of images whose class is among the five largest logits.
    pub top5: f64,
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Images per second of wall clock, reading and decoding included.
    pub images_per_second: f64,
}

/// Labelled images, batch by batch.
struct Labelled {
    source: Source,
    /// Number of images.
    count: usize,
    /// What they are.
    name: String,
}

enum Source {
    Pictures(ImageFolder, Preprocess),
    Idx(Loader),
}

/// Runs the model over a folder of labelled images, `batch` at a time: class folders of pictures
/// (the layout of ImageNet and of torchvision's `ImageFolder`; classes in the order of their
/// names), or pairs of IDX files, of which `split` names one (by default the one to test on).
///
/// # Errors
/// The folder is neither, an image cannot be read, images or classes do not fit the model, or
/// logits are not finite.
pub fn evaluate(
    checkpoint: &Checkpoint,
    folder: &Path,
    split: Option<&str>,
    batch: usize,
    progress: &dyn Progress,
) -> Result<Evaluation> {
    let images = Labelled::open(checkpoint, folder, split)?;
    let count = images.count;
    let mut accuracy = Accuracy::new();
    let mut stage = progress.stage("evaluation", count as u64, "images");
    let start = Instant::now();
    for first in (0..count).step_by(batch.max(1)) {
        let indices: Vec<u32> = (first..count.min(first + batch.max(1)))
            .map(|i| i as u32)
            .collect();
        let (pixels, labels) = images.batch(&indices)?;
        let result = checkpoint
            .model
            .forward(&pixels, &Taps::None, &Pass::eval())?;
        accuracy.push(&result.logits, &labels)?;
        stage.advance(indices.len() as u64);
        stage.message(&format!("top-1 {:.2} %", 100.0 * accuracy.top1()?));
    }
    Ok(Evaluation {
        model: checkpoint.name.clone(),
        weights: checkpoint.origin.clone(),
        weights_sha256: checkpoint.sha256.clone(),
        data: images.name,
        images: accuracy.samples(),
        top1: 100.0 * accuracy.top1()?,
        top5: 100.0 * accuracy.top5()?,
        loss: accuracy.loss()?,
        images_per_second: count as f64 / start.elapsed().as_secs_f64(),
    })
}

impl Labelled {
    fn open(checkpoint: &Checkpoint, folder: &Path, split: Option<&str>) -> Result<Self> {
        match kind(folder)? {
            Kind::Classes => Self::pictures(checkpoint, folder),
            Kind::Idx => Self::idx(checkpoint, folder, split),
            Kind::Pictures => Err(Error::Unfit(format!(
                "the pictures of {} have no labels: an evaluation needs a folder for each class",
                folder.display()
            ))),
        }
    }

    fn pictures(checkpoint: &Checkpoint, folder: &Path) -> Result<Self> {
        let pictures = ImageFolder::open(folder)?;
        let (classes, logits) = (pictures.classes().len(), checkpoint.model.info().classes);
        if classes != logits {
            return Err(Error::Unfit(format!(
                "{} has {classes} class folders, and {} has {logits} logits: classes are numbered by the order of \
                 their folders' names, so that there must be one for each",
                folder.display(),
                checkpoint.name
            )));
        }
        Ok(Self {
            count: pictures.len(),
            name: folder.display().to_string(),
            source: Source::Pictures(pictures, checkpoint.preprocess()?),
        })
    }

    fn idx(checkpoint: &Checkpoint, folder: &Path, split: Option<&str>) -> Result<Self> {
        let (split, set) = match split {
            Some(split) => (split.to_owned(), idx::read_split(folder, split)?),
            None => idx::evaluation_split(folder)?,
        };
        let image = checkpoint.model.info().image;
        if set.shape() != image {
            let sizes = |[c, h, w]: [usize; 3]| format!("{c} x {h} x {w}");
            return Err(Error::Unfit(format!(
                "the images of {} are {} (channels, height, width), and {} takes {}",
                folder.display(),
                sizes(set.shape()),
                checkpoint.name,
                sizes(image)
            )));
        }
        let (count, plain) = (set.len(), Augment { flip: false });
        let loader = Loader::new(Arc::new(set), checkpoint.normalise.clone(), plain, 0)?;
        Ok(Self {
            count,
            name: format!("{} ({split})", folder.display()),
            source: Source::Idx(loader),
        })
    }

    /// Images [B, C, H, W] and labels `[B]`.
    fn batch(&self, indices: &[u32]) -> Result<(Tensor, Tensor)> {
        match &self.source {
            Source::Pictures(pictures, preprocess) => {
                let batch = pictures.batch(indices, preprocess)?;
                let labels = batch.labels.ok_or_else(|| {
                    Error::Unfit(format!("the pictures of {} have no labels", self.name))
                })?;
                Ok((batch.images, labels))
            }
            Source::Idx(loader) => {
                let batch = loader.batch(0, indices)?;
                Ok((batch.images, batch.labels))
            }
        }
    }
}
