//! Accuracy of a model on labelled pictures.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use candle_core::Device;
use serde::Serialize;
use spectralkd_base::progress::Progress;
use spectralkd_datasets::{ImageFolder, Kind, Loader, Sampler, idx, kind};
use spectralkd_evaluation::accuracy::Accuracy;
use spectralkd_models::Taps;

use crate::LoadedModel;
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

/// Labelled images, and what they are called.
struct Labelled {
    loader: Loader,
    name: String,
}

/// Runs the model over a folder of labelled images, `batch` at a time: class folders of pictures
/// (the layout of ImageNet and of torchvision's `ImageFolder`; classes in the order of their
/// names), or pairs of IDX files, of which `split` names one (by default the one to test on).
///
/// # Errors
/// The folder is neither, an image cannot be read, images or classes do not fit the model, or
/// logits are not finite.
pub fn evaluate(
    loaded: &LoadedModel,
    folder: &Path,
    split: Option<&str>,
    batch: usize,
    progress: &dyn Progress,
) -> Result<Evaluation> {
    let images = Labelled::open(loaded, folder, split)?;
    let render = loaded.render()?;
    let count = images.loader.dataset().len();
    let mut accuracy = Accuracy::new();
    let mut stage = progress.stage("evaluation", count as u64, "images");
    let start = Instant::now();
    for views in images.loader.stream(Sampler::plain(count, batch.max(1))?) {
        let views = views?;
        let labels = views.labels_tensor(&Device::Cpu)?;
        let labels = labels.ok_or_else(|| no_labels(folder))?;
        let pixels = render.render(&views, &Device::Cpu)?;
        let (logits, _) = loaded.forward(&pixels, &Taps::None)?;
        accuracy.push(&logits, &labels)?;
        stage.advance(views.len() as u64);
        stage.message(&format!("top-1 {:.2} %", 100.0 * accuracy.top1()?));
    }
    Ok(Evaluation {
        model: loaded.name.clone(),
        weights: loaded.origin.clone(),
        weights_sha256: loaded.sha256.clone(),
        data: images.name,
        images: accuracy.samples(),
        top1: 100.0 * accuracy.top1()?,
        top5: 100.0 * accuracy.top5()?,
        loss: accuracy.loss()?,
        images_per_second: count as f64 / start.elapsed().as_secs_f64(),
    })
}

impl Labelled {
    fn open(loaded: &LoadedModel, folder: &Path, split: Option<&str>) -> Result<Self> {
        match kind(folder)? {
            Kind::Classes => Self::pictures(loaded, folder),
            Kind::Idx => Self::idx(loaded, folder, split),
            Kind::Pictures => Err(no_labels(folder)),
        }
    }

    fn pictures(loaded: &LoadedModel, folder: &Path) -> Result<Self> {
        let pictures = ImageFolder::open(folder)?;
        let (classes, logits) = (pictures.classes().len(), loaded.model.info().classes);
        if classes != logits {
            return Err(Error::Classes {
                folder: folder.to_owned(),
                classes,
                model: loaded.name.clone(),
                logits,
            });
        }
        Ok(Self {
            loader: loaded.pictures(Arc::new(pictures))?,
            name: folder.display().to_string(),
        })
    }

    fn idx(loaded: &LoadedModel, folder: &Path, split: Option<&str>) -> Result<Self> {
        let (split, set) = match split {
            Some(split) => (split.to_owned(), idx::read_split(folder, split)?),
            None => idx::evaluation_split(folder)?,
        };
        let image = loaded.model.info().image;
        if set.shape() != image {
            return Err(Error::ImageShape {
                folder: folder.to_owned(),
                images: set.shape(),
                model: loaded.name.clone(),
                takes: image,
            });
        }
        Ok(Self {
            loader: loaded.as_they_are(Arc::new(set))?,
            name: format!("{} ({split})", folder.display()),
        })
    }
}

fn no_labels(folder: &Path) -> Error {
    Error::NoLabels {
        folder: folder.to_owned(),
    }
}
