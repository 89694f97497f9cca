//! Features as an analysis takes them: a few images at a time, all layers of each.

use candle_core::Tensor;
use spectralkd_base::progress::Progress;
use spectralkd_models::Taps;

use crate::error::{Error, Result};
use crate::{FeatureFile, FeatureSource, FeaturesFrom, ImagesFrom, LoadedModel, ModelImages};

/// Features of a model or a file, batch by batch.
pub struct FeatureReader {
    /// The name in figures and tables.
    pub label: String,
    source: Source,
}

enum Source {
    File(FeatureFile),
    Model(Box<LoadedModel>, ModelImages),
}

impl FeatureReader {
    /// Opens the file, or loads the model and opens its images.
    ///
    /// # Errors
    /// Those of [`LoadedModel::load`], [`ModelImages::open`] and [`FeatureFile::open`]; [`Error::NoImages`] for a
    /// model without images.
    pub fn open(
        source: &FeatureSource,
        images: Option<&ImagesFrom>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        match &source.from {
            FeaturesFrom::File(path) => {
                let file = FeatureFile::open(path)?;
                Ok(Self {
                    label: source.label_or(&file.name()),
                    source: Source::File(file),
                })
            }
            FeaturesFrom::Model(request) => {
                let from = images.ok_or(Error::NoImages)?;
                let loaded = LoadedModel::load(request, progress)?;
                let images = ModelImages::open(from, &loaded)?;
                Ok(Self {
                    label: source.label_or(&loaded.name),
                    source: Source::Model(Box::new(loaded), images),
                })
            }
        }
    }

    /// Where the features come from, with checksums of weights.
    pub fn origin(&self) -> String {
        match &self.source {
            Source::File(file) => file.path().display().to_string(),
            Source::Model(loaded, _) => loaded.in_words(),
        }
    }

    /// In which ways weights were adapted to the sizes asked for.
    pub fn notes(&self) -> &[String] {
        match &self.source {
            Source::File(_) => &[],
            Source::Model(loaded, _) => &loaded.notes,
        }
    }

    /// The number of images, at least 1.
    pub fn images(&self) -> usize {
        match &self.source {
            Source::File(file) => file.images(),
            Source::Model(_, images) => images.len(),
        }
    }

    /// Leaves out all images but the first `count`, at least 1.
    pub fn truncate(&mut self, count: usize) {
        match &mut self.source {
            Source::File(file) => file.truncate(count),
            Source::Model(_, images) => images.truncate(count),
        }
    }

    /// Index and shape (channels, height, width) of every layer, ascending.
    pub fn layers(&self) -> Vec<(usize, [usize; 3])> {
        match &self.source {
            Source::File(file) => file.layers(),
            Source::Model(loaded, _) => {
                let taps = loaded.model.info().taps.iter();
                taps.copied().enumerate().collect()
            }
        }
    }

    /// Layer and features [count, C, H, W] of images `first .. first + count`.
    ///
    /// # Errors
    /// An image cannot be read, or the forward pass failed.
    pub fn batch(&mut self, first: usize, count: usize) -> Result<Vec<(usize, Tensor)>> {
        match &mut self.source {
            Source::File(file) => file.batch(first, count),
            Source::Model(loaded, images) => {
                let images = images.batch(first, count)?;
                let (_, maps) = loaded.forward(&images, &Taps::All)?;
                Ok(maps)
            }
        }
    }
}
