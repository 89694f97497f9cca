//! The images of an experiment, cut to its size, and the way from one to a view.

mod pipelines;
mod record;
mod sources;

use std::path::Path;
use std::sync::Arc;

use spectralkd_datasets::{
    Batch, BatchRequest, Dataset, Geometry, Loader, Normalise, Pipeline, Render,
};
use spectralkd_models::{Defaults, ModelConfig, ModelSpec};

pub(crate) use self::pipelines::one_for_each_channel;
use self::pipelines::{evaluation, normalise, spread, training};
pub use self::record::{DataRecord, DataSize};
use self::sources::{channels, first_of_each_class, in_words, source};
use crate::config::{DataSource, Experiment};
use crate::error::{Error, Result};

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
        return Err(Error::Data(format!(
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
