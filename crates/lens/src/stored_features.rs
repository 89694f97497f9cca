//! The features of one side of a comparison, in a file that can be read layer by layer.

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use spectralkd_base::progress::Progress;
use spectralkd_evaluation::compare::Features;
use spectralkd_models::Taps;

use crate::error::{Error, Result};
use crate::output_folder::{OutputFolder, SourceRecord};
use crate::{
    FeatureFile, FeatureSource, FeaturesFrom, ImagesFrom, LoadedModel, ModelImages, Options,
    features,
};

/// Features in a file: one that was there, or one that a model has written for this comparison, which is removed in
/// the end.
pub(crate) struct StoredFeatures {
    pub label: String,
    pub origin: String,
    notes: Vec<String>,
    images: usize,
    file: FeatureFile,
    /// The file, if it was written for this comparison.
    temporary: Option<PathBuf>,
}

impl StoredFeatures {
    /// Opens the file, or lets the model write one into `output`, named after its `side`.
    pub fn new(
        source: &FeatureSource,
        side: &str,
        options: &Options,
        output: &OutputFolder,
        progress: &dyn Progress,
    ) -> Result<Self> {
        match &source.from {
            FeaturesFrom::File(path) => Self::from_file(source, path, options),
            FeaturesFrom::Model(request) => {
                let from = options.images.as_ref().ok_or(Error::NoImages)?;
                let loaded = LoadedModel::load(request, progress)?;
                let path = output.path(&format!("{side}.features.safetensors"));
                Self::from_model(source, loaded, from, path, options, progress)
            }
        }
    }

    fn from_file(source: &FeatureSource, path: &Path, options: &Options) -> Result<Self> {
        let file = FeatureFile::open(path)?;
        Ok(Self {
            label: source.label_or(&file.name()),
            origin: path.display().to_string(),
            notes: Vec::new(),
            images: options.limited(file.images()),
            file,
            temporary: None,
        })
    }

    fn from_model(
        source: &FeatureSource,
        loaded: LoadedModel,
        from: &ImagesFrom,
        path: PathBuf,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let mut images = ModelImages::open(from, &loaded)?;
        images.truncate(options.limited(images.len()));
        let (batch, count) = (options.batch, images.len());
        features::write(&loaded, &mut images, &Taps::All, batch, &path, progress)?;
        Ok(Self {
            label: source.label_or(&loaded.name),
            origin: loaded.in_words(),
            notes: loaded.notes,
            images: count,
            file: FeatureFile::open(&path)?,
            temporary: Some(path),
        })
    }

    /// What the manifest says of it.
    pub fn record(&self) -> SourceRecord<'_> {
        SourceRecord {
            label: &self.label,
            origin: &self.origin,
            images: self.images,
            notes: &self.notes,
        }
    }
}

impl Features for StoredFeatures {
    fn name(&self) -> &str {
        &self.label
    }

    fn images(&self) -> usize {
        self.images
    }

    fn layers(&self) -> Vec<(usize, [usize; 3])> {
        self.file.layers()
    }

    fn read(
        &mut self,
        layer: usize,
        first: usize,
        count: usize,
    ) -> std::result::Result<Tensor, String> {
        let features = self.file.layer(layer, first, count);
        features.map_err(|error| error.to_string())
    }
}

impl Drop for StoredFeatures {
    fn drop(&mut self) {
        if let Some(path) = &self.temporary {
            // What cannot be removed can be made again and does no harm.
            let _ = std::fs::remove_file(path);
        }
    }
}
