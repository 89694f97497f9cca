//! One side of a comparison: features in a file, written first where a model has to give them.

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use spectralkd_base::progress::Progress;
use spectralkd_evaluation::compare::Features;
use spectralkd_models::Taps;

use super::Options;
use super::output::{Looked, Output};
use crate::error::{Error, Result};
use crate::inference::{
    Checkpoint, FeatureFile, Images, ImagesFrom, Subject, SubjectSource, features,
};

/// One side, its features in a file.
pub(super) struct Side {
    pub label: String,
    pub origin: String,
    notes: Vec<String>,
    images: usize,
    file: FeatureFile,
    /// The file, if it was written for this comparison.
    temporary: Option<PathBuf>,
}

impl Side {
    /// Opens the file, or lets the model write one into `output`, named after `side`.
    pub fn new(
        subject: &Subject,
        side: &str,
        options: &Options,
        output: &Output,
        progress: &dyn Progress,
    ) -> Result<Self> {
        match &subject.source {
            SubjectSource::Features(path) => Self::from_file(subject, path, options),
            SubjectSource::Model(request) => {
                let from = options.images.as_ref().ok_or_else(|| {
                    Error::Unfit("a model needs images: give --images or --input".into())
                })?;
                let checkpoint = Checkpoint::load(request, progress)?;
                let path = output.path(&format!("{side}.features.safetensors"));
                Self::from_model(subject, checkpoint, from, path, options, progress)
            }
        }
    }

    fn from_file(subject: &Subject, path: &Path, options: &Options) -> Result<Self> {
        let file = FeatureFile::open(path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self {
            label: subject.label.clone().unwrap_or_else(|| stem.into_owned()),
            origin: path.display().to_string(),
            notes: Vec::new(),
            images: options.limited(file.images()),
            file,
            temporary: None,
        })
    }

    fn from_model(
        subject: &Subject,
        checkpoint: Checkpoint,
        from: &ImagesFrom,
        path: PathBuf,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let mut images = Images::open(from, &checkpoint)?;
        images.truncate(options.limited(images.len()));
        let (batch, count) = (options.batch, images.len());
        features::write(&checkpoint, &mut images, &Taps::All, batch, &path, progress)?;
        let label = subject.label.clone();
        Ok(Self {
            label: label.unwrap_or_else(|| checkpoint.name.clone()),
            origin: checkpoint.in_words(),
            notes: checkpoint.notes,
            images: count,
            file: FeatureFile::open(&path)?,
            temporary: Some(path),
        })
    }

    pub fn looked(&self) -> Looked<'_> {
        Looked {
            label: &self.label,
            origin: &self.origin,
            images: self.images,
            notes: &self.notes,
        }
    }
}

impl Features for Side {
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

impl Drop for Side {
    fn drop(&mut self) {
        if let Some(path) = &self.temporary {
            // What cannot be removed can be made again and does no harm.
            let _ = std::fs::remove_file(path);
        }
    }
}
