//! Where a model's images come from.

use std::path::PathBuf;

use candle_core::Tensor;
use spectralkd_datasets::ImageFolder;
use spectralkd_datasets::old::Preprocess;
use spectralkd_models::tensor_file::Slices;

use crate::LoadedModel;
use crate::error::{Error, Result};

/// The tensor of a file that holds images.
const TENSOR: &str = "images";

/// Images without labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImagesFrom {
    /// The tensor `images`, f32 [B, C, H, W] and already normalised, of a safetensors file.
    Tensor(PathBuf),
    /// The pictures of a folder, with or without folders of classes in it, in the model's own
    /// preprocessing.
    Folder(PathBuf),
}

/// Images of the shape that a model takes, batch by batch.
pub struct ModelImages {
    source: Source,
    count: usize,
}

enum Source {
    Tensor(Slices),
    Folder(ImageFolder, Preprocess),
}

impl ModelImages {
    /// Opens the images for a model.
    ///
    /// # Errors
    /// The file or folder cannot be read, holds no images, or its images do not have the model's
    /// shape.
    pub fn open(from: &ImagesFrom, loaded: &LoadedModel) -> Result<Self> {
        let [channels, height, width] = loaded.model.info().image;
        match from {
            ImagesFrom::Tensor(path) => {
                let slices = Slices::open(path, TENSOR)?;
                let problem = |problem: String| Error::TensorFile {
                    path: path.clone(),
                    problem,
                };
                match *slices.shape() {
                    [0, ..] => Err(problem(format!("`{TENSOR}` holds no image"))),
                    [count, c, h, w] if [c, h, w] == [channels, height, width] => Ok(Self {
                        source: Source::Tensor(slices),
                        count,
                    }),
                    ref other => Err(problem(format!(
                        "`{TENSOR}` has the shape {other:?}, and {} takes [B, {channels}, {height}, {width}]; \
                         --img-size and --in-chans build the model for other images",
                        loaded.name
                    ))),
                }
            }
            ImagesFrom::Folder(folder) => {
                let pictures = ImageFolder::open(folder)?;
                Ok(Self {
                    count: pictures.len(),
                    source: Source::Folder(pictures, loaded.preprocess()?),
                })
            }
        }
    }

    /// Leaves out all images but the first `count`, at least 1.
    pub fn truncate(&mut self, count: usize) {
        self.count = self.count.min(count.max(1));
    }

    /// The number of images, at least 1.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Images `first .. first + count` (within [`ModelImages::len`]) as f32 [count, C, H, W].
    ///
    /// # Errors
    /// A file cannot be read, or holds what is no image.
    pub fn batch(&mut self, first: usize, count: usize) -> Result<Tensor> {
        match &mut self.source {
            Source::Tensor(slices) => Ok(slices.read(first, count)?),
            Source::Folder(pictures, preprocess) => {
                let indices: Vec<u32> = (first..first + count).map(|i| i as u32).collect();
                Ok(pictures.batch(&indices, preprocess)?.images)
            }
        }
    }

    /// The pictures' files, in order; `None` for a tensor.
    pub fn names(&self) -> Option<Vec<String>> {
        match &self.source {
            Source::Tensor(_) => None,
            Source::Folder(pictures, _) => {
                let name = |i| pictures.path(i).display().to_string();
                Some((0..self.count).map(name).collect())
            }
        }
    }
}
