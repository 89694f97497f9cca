//! The images of an experiment, cut to its size, and the way from one to a view.

use std::path::Path;
use std::sync::Arc;

use spectralkd_datasets::{
    Batch, BatchRequest, Dataset, Erase, Fill, Geometry, ImageFolder, ImageSet, Loader, Mix,
    Normalise, Pipeline, Render, Sample, Subset, fashion_mnist, idx,
};
use spectralkd_models::{Defaults, ModelConfig, ModelSpec};

use crate::config::{Crop, Data, DataSource, Experiment};
use crate::error::{Error, Result};
use crate::manifest::DataRecord;
use crate::plan::DataSize;

/// Training and test images, and what is done to them.
#[derive(Clone, Debug)]
pub struct Images {
    /// Training images.
    pub train: Arc<dyn Dataset>,
    /// Test images.
    pub test: Arc<dyn Dataset>,
    /// The test images of the learning curves.
    pub curve: Arc<dyn Dataset>,
    /// Where the images came from, with checksums.
    pub record: DataRecord,
    training: Arc<Pipeline>,
    evaluation: Arc<Pipeline>,
    normalise: Normalise,
    workers: usize,
}

/// Batches that a loader prepares ahead of the one in use.
const AHEAD: usize = 3;

/// Opens the images: in `folder` if one is named, else where the experiment says.
///
/// # Errors
/// No folder is named and the images are not embedded; a file is missing or damaged; training and test images have
/// other classes; there are fewer images of a class than asked for.
pub fn open(experiment: &Experiment, folder: Option<&Path>) -> Result<Images> {
    let data = &experiment.data;
    let (train, test, origin) = source(data, folder.or(data.path.as_deref()))?;
    if train.classes() != test.classes() {
        return Err(Error::Unfit(format!(
            "the training images have other classes than the test images: {} and {}",
            in_words(train.classes()),
            in_words(test.classes())
        )));
    }
    let record = |train: &dyn Dataset, test: &dyn Dataset| -> Result<DataRecord> {
        Ok(DataRecord {
            origin,
            train_images: train.len(),
            train_sha256: train.digest()?,
            test_images: test.len(),
            test_sha256: test.digest()?,
        })
    };
    let train = first_of_each_class(train, data.per_class)?;
    let test = first_of_each_class(test, data.test_per_class)?;
    let curve = first_of_each_class(Arc::clone(&test), data.curve_per_class)?;
    let channels = channels(data, train.as_ref())?;
    let student = student_config(&experiment.model, train.classes().len(), channels)?;
    one_for_each_channel("data", data.mean.as_deref(), student.in_chans())?;
    let size = data.size.unwrap_or(student.img_size());
    let pipelines = (
        training(data, size, channels),
        evaluation(data, size, channels),
    );
    pipelines.0.check()?;
    pipelines.1.check()?;
    Ok(Images {
        record: record(train.as_ref(), test.as_ref())?,
        train,
        test,
        curve,
        training: Arc::new(pipelines.0),
        evaluation: Arc::new(pipelines.1),
        normalise: normalise(data, channels)?,
        workers: data.workers.unwrap_or(match data.dataset {
            DataSource::Folder => 1,
            DataSource::FashionMnist | DataSource::Idx => 0,
        }),
    })
}

type Split = Arc<dyn Dataset>;

/// Training and test images, and where they came from.
fn source(data: &Data, folder: Option<&Path>) -> Result<(Split, Split, String)> {
    let needed = || {
        folder.ok_or_else(|| {
            Error::Unfit(
                "name the folder of the images with --data DIR, or with `path` in [data]"
                    .to_owned(),
            )
        })
    };
    let name = |given: &Option<String>, default: &str| given.clone().unwrap_or(default.into());
    match data.dataset {
        DataSource::FashionMnist => {
            let splits = match (folder, name(&data.train, "embedded").as_str()) {
                (Some(folder), _) => fashion_mnist::from_dir(folder)?,
                (None, "embedded") => fashion_mnist::embedded()?,
                (None, _) => {
                    return Err(Error::Unfit(
                        "this profile trains on all 60,000 images: name the folder that holds them with --data DIR \
                         (Debian's package dataset-fashion-mnist installs them under /usr/share/datasets/fashion-mnist)"
                            .into(),
                    ));
                }
            };
            Ok((Arc::new(splits.train), Arc::new(splits.test), splits.origin))
        }
        DataSource::Idx => {
            let folder = needed()?;
            let split = |given, default: &str| -> Result<Split> {
                let set: ImageSet = idx::read_split(folder, &name(given, default))?;
                Ok(Arc::new(set))
            };
            let (train, test) = (split(&data.train, "train")?, split(&data.test, "t10k")?);
            Ok((train, test, folder.display().to_string()))
        }
        DataSource::Folder => {
            let folder = needed()?;
            let split = |given, default: &str| -> Result<Split> {
                let folder = folder.join(name(given, default));
                Ok(Arc::new(ImageFolder::open(&folder)?))
            };
            let (train, test) = (split(&data.train, "train")?, split(&data.test, "val")?);
            Ok((train, test, folder.display().to_string()))
        }
    }
}

fn in_words(classes: &[String]) -> String {
    let first: Vec<&str> = classes.iter().map(String::as_str).take(3).collect();
    format!("{} ({}, ...)", classes.len(), first.join(", "))
}

/// The first `per_class` images of each class, in the data set's order; all of them for `None`.
fn first_of_each_class(set: Split, per_class: Option<usize>) -> Result<Split> {
    match per_class {
        None => Ok(set),
        Some(n) => {
            let chosen = set.class_balanced(n)?;
            Ok(Arc::new(Subset::new(set, chosen)?))
        }
    }
}

/// Channels of the views: those that the images have.
fn channels(data: &Data, images: &dyn Dataset) -> Result<usize> {
    if let Some(channels) = data.channels() {
        return Ok(channels);
    }
    Ok(match images.sample(0)? {
        Sample::Raw(raw) => raw.shape()[0],
        Sample::Encoded(_) => 3,
    })
}

fn training(data: &Data, size: [usize; 2], channels: usize) -> Pipeline {
    let mixes = data.mixup > 0.0 || data.cutmix > 0.0;
    let geometry = match data.crop() {
        Crop::None => Geometry::AsIs,
        Crop::Centre => Geometry::Centre {
            crop_pct: data.crop_pct,
        },
        Crop::RandomResized => Geometry::RandomResizedCrop {
            scale: data.scale,
            ratio: data.ratio,
        },
    };
    Pipeline {
        flip: if data.flip { 0.5 } else { 0.0 },
        erase: (data.erase > 0.0).then(|| Erase::new(data.erase, Fill::Noise)),
        mix: mixes.then_some(Mix {
            mixup: data.mixup,
            cutmix: data.cutmix,
            probability: 1.0,
            switch: 0.5,
        }),
        ..Pipeline::new(size, channels, geometry)
    }
}

fn evaluation(data: &Data, size: [usize; 2], channels: usize) -> Pipeline {
    let geometry = match data.dataset {
        DataSource::FashionMnist | DataSource::Idx => Geometry::AsIs,
        DataSource::Folder => Geometry::Centre {
            crop_pct: data.crop_pct,
        },
    };
    Pipeline::new(size, channels, geometry)
}

/// A mean (and so a standard deviation) must have a number for each channel of the model's images.
///
/// # Errors
/// It has another number of them.
pub(crate) fn one_for_each_channel(
    table: &str,
    mean: Option<&[f32]>,
    channels: usize,
) -> Result<()> {
    match mean {
        Some(mean) if mean.len() != channels => Err(Error::Unfit(format!(
            "`{table}.mean` and `{table}.std` have {} numbers, and the model's images {channels} channels: give one for \
             each",
            mean.len()
        ))),
        _ => Ok(()),
    }
}

/// The student's normalisation.
fn normalise(data: &Data, channels: usize) -> Result<Normalise> {
    let given = data.mean.clone().zip(data.std.clone());
    let normalise = match (given, data.dataset) {
        (Some((mean, std)), _) => Normalise { mean, std },
        (None, DataSource::FashionMnist) => fashion_mnist::normalise(),
        (None, _) if channels == 3 => Normalise::imagenet(),
        (None, _) => Normalise {
            mean: vec![0.5; channels],
            std: vec![0.5; channels],
        },
    };
    Ok(normalise)
}

/// The student's sizes, its head as wide as the data set has classes.
///
/// # Errors
/// Sizes that no model can have.
pub fn student_config(model: &ModelSpec, classes: usize, channels: usize) -> Result<ModelConfig> {
    Ok(model.resolve(&Defaults {
        num_classes: Some(classes),
        in_chans: Some(channels),
        img_size: None,
    })?)
}

/// A normalisation for so many channels: itself, or the mean over its channels for each.
fn spread(normalise: Normalise, channels: usize) -> Normalise {
    let fit = |values: Vec<f32>| {
        if values.len() == channels {
            return values;
        }
        let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
        vec![mean; channels]
    };
    Normalise {
        mean: fit(normalise.mean),
        std: fit(normalise.std),
    }
}

impl Images {
    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        self.train.classes()
    }

    /// Channels of the views.
    pub fn channels(&self) -> usize {
        self.training.channels
    }

    /// Height and width of the views.
    pub fn size(&self) -> [usize; 2] {
        self.training.size
    }

    /// The sizes of the student for these images.
    ///
    /// # Errors
    /// Sizes that no model can have.
    pub fn student(&self, model: &ModelSpec) -> Result<ModelConfig> {
        student_config(model, self.classes().len(), self.channels())
    }

    /// How views become the images of a model of these sizes, `[channels, height, width]`; in the student's
    /// normalisation, unless another is given.
    ///
    /// # Errors
    /// A normalisation of other channels.
    pub fn render(&self, image: [usize; 3], other: Option<Normalise>) -> Result<Render> {
        let [channels, height, width] = image;
        let normalise = other.unwrap_or_else(|| self.normalise.clone());
        Ok(Render::new(
            [height, width],
            channels,
            spread(normalise, channels),
        )?)
    }

    /// Training views.
    ///
    /// # Errors
    /// None, once the images are open.
    pub fn training(&self) -> Result<Loader> {
        let (set, pipeline) = (Arc::clone(&self.train), Arc::clone(&self.training));
        Ok(Loader::new(set, pipeline, self.workers, AHEAD)?)
    }

    /// What makes training views.
    pub fn pipeline(&self) -> &Pipeline {
        &self.training
    }

    /// Views of these images as evaluation sees them.
    ///
    /// # Errors
    /// None, once the images are open.
    pub fn plain(&self, set: &Arc<dyn Dataset>) -> Result<Loader> {
        let (set, pipeline) = (Arc::clone(set), Arc::clone(&self.evaluation));
        Ok(Loader::new(set, pipeline, self.workers, AHEAD)?)
    }

    /// These of the images, as evaluation sees them.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn views(&self, set: &Arc<dyn Dataset>, indices: &[u32]) -> Result<Batch> {
        Ok(self.plain(set)?.batch(&BatchRequest::plain(indices))?)
    }

    /// Share of the resized image's shorter side that evaluation keeps.
    pub fn crop_pct(&self) -> f64 {
        match self.evaluation.geometry {
            Geometry::Centre { crop_pct } => crop_pct,
            Geometry::AsIs | Geometry::RandomResizedCrop { .. } => 1.0,
        }
    }

    /// How many training views an image has; `None` where every epoch has views of its own.
    pub fn versions(&self) -> Option<u32> {
        self.training.versions()
    }

    /// How many there are.
    pub fn counts(&self) -> DataSize {
        DataSize {
            train: self.train.len(),
            test: self.test.len(),
            curve: self.curve.len(),
        }
    }
}
