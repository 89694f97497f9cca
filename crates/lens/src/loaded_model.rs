//! A model with its weights, found by name.

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use spectralkd_base::digest::file_sha256;
use spectralkd_base::progress::Progress;
use spectralkd_base::random::Stream;
use spectralkd_datasets::{Dataset, Geometry, Loader, Normalise, Pipeline, Render};
use spectralkd_hub::Weights;
use spectralkd_models::export::{self, Preprocessing};
use spectralkd_models::{ModelConfig, Taps, VisionModel, registry, weights};
use spectralkd_nn::Pass;

use crate::error::{Error, Result};

/// Sizes that differ from those of the named model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Height and width of the images, pixels. Position embeddings are resampled.
    pub img_size: Option<[usize; 2]>,
    /// Number of logits. Another number than the weights have gives a fresh, untrained head.
    pub num_classes: Option<usize>,
    /// Channels of the images. The weights of the patch embedding are adapted.
    pub in_chans: Option<usize>,
}

/// Which model, with which weights.
#[derive(Clone, Debug, Default)]
pub struct ModelRequest {
    /// A name of the registry, "cait_s24_224" or "cait_s24_224.fb_dist_in1k". It may be left out
    /// where the weights stand in a folder (or repository) with a `config.json`.
    pub model: Option<String>,
    /// `hf://owner/name[@revision][/file]`, a file or a folder; by default the registry's
    /// repository on the hub.
    pub weights: Option<String>,
    /// Other sizes than the model's own.
    pub sizes: Sizes,
}

/// Batches that are made ahead of the one in use.
const AHEAD: usize = 2;

/// A frozen model and where it came from.
pub struct LoadedModel {
    /// timm's name of the model.
    pub name: String,
    /// Its sizes.
    pub config: ModelConfig,
    /// How a picture becomes its input.
    pub preprocessing: Preprocessing,
    /// What is done to the channels of its images: of `preprocessing`, and for another number of channels than that
    /// has the mean over its channels.
    pub normalise: Normalise,
    /// The model, whose weights stay as they are.
    pub model: Box<dyn VisionModel>,
    /// Where it computes.
    pub device: Device,
    /// The weights: a path or an address with the commit.
    pub origin: String,
    /// SHA-256 of the weights' file.
    pub sha256: String,
    /// Every way in which the weights were adapted, a sentence each.
    pub notes: Vec<String>,
}

impl LoadedModel {
    /// Finds, fetches, checks and loads what is asked for, to compute on the CPU.
    ///
    /// # Errors
    /// The name is unknown (the error lists all), no model is named and the weights do not say
    /// which one they are, a download failed, or the weights do not fit.
    pub fn load(request: &ModelRequest, progress: &dyn Progress) -> Result<Self> {
        Self::load_on(&Device::Cpu, request, progress)
    }

    /// As [`Self::load`], to compute on another device.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_on(
        device: &Device,
        request: &ModelRequest,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let entry = request.model.as_deref().map(registry::find).transpose()?;
        let address = match (&request.weights, &entry) {
            (Some(weights), _) => weights.clone(),
            (None, Some(entry)) => format!("hf://{}", entry.repository()),
            (None, None) => return Err(Error::NoModel),
        };
        let found = Weights::find(&address, entry.is_none(), progress)?;
        let (name, config, preprocessing) = match (entry, &found.described) {
            (Some(entry), _) => (
                entry.name.to_owned(),
                entry.config,
                entry.preprocessing.into(),
            ),
            (None, Some(folder)) => described(folder)?,
            (None, None) => return Err(Error::UnknownWeights { address }),
        };
        let config = request.sizes.apply(config);
        let normalise = normalise(&preprocessing, config.in_chans());
        let fresh = Stream::new(0, "fresh parameters");
        let loaded = weights::load_adapted(&found.path, &config, &fresh, &Device::Cpu)?;
        let sha256 = file_sha256(&loaded.path)?;
        Ok(Self {
            name,
            model: weights::into_frozen(&config, loaded.tensors, device)?,
            device: device.clone(),
            config,
            normalise,
            preprocessing,
            origin: found.origin,
            sha256,
            notes: loaded.notes,
        })
    }

    /// Logits [B, K] and the maps [B, C, H, W] of taps, with their indices, of normalised images [B, C, H, W]; all three
    /// on the CPU, wherever the model computes.
    ///
    /// # Errors
    /// A tap that the model does not have, images of another shape.
    pub fn forward(&self, images: &Tensor, taps: &Taps) -> Result<(Tensor, Vec<(usize, Tensor)>)> {
        let images = images.to_device(&self.device)?;
        let output = self.model.forward(&images, taps, &Pass::eval())?;
        let on_cpu = |(tap, map): (usize, Tensor)| Ok((tap, map.to_device(&Device::Cpu)?));
        let maps = output.features.into_iter().map(on_cpu);
        Ok((
            output.logits.to_device(&Device::Cpu)?,
            maps.collect::<Result<_>>()?,
        ))
    }

    /// Name, weights and their checksum, in words.
    pub fn in_words(&self) -> String {
        format!(
            "{}, weights {} (sha256 {})",
            self.name, self.origin, self.sha256
        )
    }

    /// Views of these pictures as timm evaluates the model, made ahead of their use; [`LoadedModel::render`] brings them
    /// to the model's input. Where the model takes grey images, they are grey.
    ///
    /// # Errors
    /// The model takes images of other channels than grey or colour, or pictures that were resized in another way than
    /// timm's usual one.
    pub fn pictures(&self, pictures: Arc<dyn Dataset>) -> Result<Loader> {
        if self.preprocessing.interpolation != "bicubic" {
            return Err(Error::Interpolation {
                model: self.name.clone(),
                interpolation: self.preprocessing.interpolation.clone(),
            });
        }
        let crop_pct = self.preprocessing.crop_pct;
        self.loader(pictures, Geometry::Centre { crop_pct })
    }

    /// Views of images that have the model's size already.
    ///
    /// # Errors
    /// The model takes images of other channels than grey or colour.
    pub fn as_they_are(&self, images: Arc<dyn Dataset>) -> Result<Loader> {
        self.loader(images, Geometry::AsIs)
    }

    fn loader(&self, images: Arc<dyn Dataset>, geometry: Geometry) -> Result<Loader> {
        let [channels, height, width] = self.model.info().image;
        if channels != 1 && channels != 3 {
            return Err(Error::Channels {
                model: self.name.clone(),
                channels,
            });
        }
        let pipeline = Pipeline::new([height, width], channels, geometry);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Loader::new(images, Arc::new(pipeline), workers, AHEAD)?)
    }

    /// From views to the model's input.
    ///
    /// # Errors
    /// A normalisation of other channels than the model's.
    pub fn render(&self) -> Result<Render> {
        let [channels, height, width] = self.model.info().image;
        Ok(Render::new(
            [height, width],
            channels,
            self.normalise.clone(),
        )?)
    }
}

impl Sizes {
    /// A model of these sizes in the place of its own.
    pub fn apply(&self, mut config: ModelConfig) -> ModelConfig {
        if let Some(img_size) = self.img_size {
            config = config.with_img_size(img_size);
        }
        if let Some(num_classes) = self.num_classes {
            config = config.with_num_classes(num_classes);
        }
        if let Some(in_chans) = self.in_chans {
            config = config.with_in_chans(in_chans);
        }
        config
    }
}

/// The model that a folder's `config.json` describes.
fn described(folder: &Path) -> Result<(String, ModelConfig, Preprocessing)> {
    let found = export::read_config(folder)?;
    let config = match found.model {
        Some(config) => config,
        // Fails, naming the nearest model and all others.
        None => registry::find(&found.architecture)?.config,
    };
    Ok((found.architecture, config, found.preprocessing))
}

/// The normalisation of images of so many channels: the model's own where it has as many, else
/// the mean over its channels for each.
fn normalise(preprocessing: &Preprocessing, channels: usize) -> Normalise {
    let fit = |values: &[f64]| -> Vec<f32> {
        if values.len() == channels {
            return values.iter().map(|&v| v as f32).collect();
        }
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        vec![mean as f32; channels]
    };
    Normalise {
        mean: fit(&preprocessing.mean),
        std: fit(&preprocessing.std),
    }
}
