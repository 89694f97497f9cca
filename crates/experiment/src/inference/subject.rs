//! What is looked at: a model on images, or features that are there already.

use std::path::PathBuf;
use std::str::FromStr;

use candle_core::Tensor;
use spectralkd_base::progress::Progress;
use spectralkd_models::Taps;
use spectralkd_nn::Pass;

use super::feature_file::FeatureFile;
use super::{Checkpoint, Images, ImagesFrom, Request};
use crate::config::nearest;
use crate::error::{Error, Result};

/// The keys of a subject in words.
const KEYS: [&str; 4] = ["label", "model", "weights", "features"];

/// A model with its weights, or a file of features, under a name for figures.
///
/// In words: a model's name (`cait_s24_224`), a file of features (`x.safetensors`), or pairs of key
/// and value as in `label=student,model=deit_tiny_patch16_224,weights=out/`, where
/// `features=FILE` takes the place of model and weights.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The name in figures and tables; by default that of the model, or the file's without ending.
    pub label: Option<String>,
    /// Where its features come from.
    pub source: SubjectSource,
}

/// Where features come from.
#[derive(Clone, Debug)]
pub enum SubjectSource {
    /// A file with `features.<i>`.
    Features(PathBuf),
    /// A model, which has to see images first.
    Model(Request),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if !text.contains('=') {
            let source = if text.ends_with(".safetensors") {
                SubjectSource::Features(text.into())
            } else {
                SubjectSource::Model(Request {
                    model: Some(text.to_owned()),
                    ..Request::default()
                })
            };
            return Ok(Self {
                label: None,
                source,
            });
        }
        let (mut label, mut features, mut request) = (None, None, Request::default());
        for part in text.split(',') {
            let (key, value) = part
                .split_once('=')
                .filter(|(_, value)| !value.is_empty())
                .ok_or_else(|| format!("`{part}` is no KEY=VALUE"))?;
            match key.trim() {
                "label" => label = Some(value.to_owned()),
                "model" => request.model = Some(value.to_owned()),
                "weights" => request.weights = Some(value.to_owned()),
                "features" => features = Some(PathBuf::from(value)),
                other => {
                    let hint = nearest(other, KEYS)
                        .map_or_else(String::new, |key| format!(" (did you mean `{key}`?)"));
                    return Err(format!("`{other}` is none of {}{hint}", KEYS.join(", ")));
                }
            }
        }
        let source = match (features, &request.model, &request.weights) {
            (Some(features), None, None) => SubjectSource::Features(features),
            (Some(_), _, _) => return Err("give either features, or model and weights".into()),
            (None, None, None) => return Err("give model, weights or features".into()),
            (None, _, _) => SubjectSource::Model(request),
        };
        Ok(Self { label, source })
    }
}

impl Subject {
    /// Whether images are needed.
    pub fn needs_images(&self) -> bool {
        matches!(self.source, SubjectSource::Model(_))
    }

    /// Loads the model, or opens the file.
    ///
    /// # Errors
    /// Those of [`Checkpoint::load`], [`Images::open`] and [`FeatureFile::open`]; or a model without images.
    pub fn open(&self, images: Option<&ImagesFrom>, progress: &dyn Progress) -> Result<Opened> {
        let source = match &self.source {
            SubjectSource::Features(path) => Source::File(FeatureFile::open(path)?),
            SubjectSource::Model(request) => {
                let from = images.ok_or_else(|| {
                    Error::Unfit("a model needs images: give --images or --input".into())
                })?;
                let checkpoint = Checkpoint::load(request, progress)?;
                let images = Images::open(from, &checkpoint)?;
                Source::Model(Box::new(checkpoint), images)
            }
        };
        let label = match (&self.label, &source) {
            (Some(label), _) => label.clone(),
            (None, Source::Model(checkpoint, _)) => checkpoint.name.clone(),
            (None, Source::File(file)) => {
                let stem = file.path().file_stem().unwrap_or_default();
                stem.to_string_lossy().into_owned()
            }
        };
        Ok(Opened { label, source })
    }
}

/// A subject that gives features, batch by batch.
pub struct Opened {
    /// The name in figures and tables.
    pub label: String,
    source: Source,
}

enum Source {
    File(FeatureFile),
    Model(Box<Checkpoint>, Images),
}

impl Opened {
    /// Where the features come from, with checksums of weights.
    pub fn origin(&self) -> String {
        match &self.source {
            Source::File(file) => file.path().display().to_string(),
            Source::Model(checkpoint, _) => checkpoint.in_words(),
        }
    }

    /// In which ways weights were adapted to the sizes asked for.
    pub fn notes(&self) -> &[String] {
        match &self.source {
            Source::File(_) => &[],
            Source::Model(checkpoint, _) => &checkpoint.notes,
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
            Source::Model(checkpoint, _) => {
                let taps = checkpoint.model.info().taps.iter();
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
            Source::Model(checkpoint, images) => {
                let images = images.batch(first, count)?;
                let output = checkpoint
                    .model
                    .forward(&images, &Taps::All, &Pass::eval())?;
                Ok(output.features)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_in_words() {
        let parse = |text: &str| text.parse::<Subject>();
        let SubjectSource::Model(request) = parse("cait_s24_224").unwrap().source else {
            panic!("no model");
        };
        assert_eq!(request.model.as_deref(), Some("cait_s24_224"));
        let file = parse("a/x.safetensors").unwrap();
        assert!(!file.needs_images() && file.label.is_none());
        let full = parse("label=student,model=deit_tiny_patch16_224,weights=hf://a/b").unwrap();
        assert_eq!(full.label.as_deref(), Some("student"));
        assert!(full.needs_images());
        let weights = parse("weights=exported/").unwrap();
        assert!(matches!(weights.source, SubjectSource::Model(r) if r.model.is_none()));
        for (text, part) in [
            ("labels=x,model=y", "did you mean `label`?"),
            ("label=x", "give model, weights or features"),
            ("features=a,model=b", "either features"),
            ("model=", "no KEY=VALUE"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
