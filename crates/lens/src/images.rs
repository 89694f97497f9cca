//! Where a model's images come from.

use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use spectralkd_datasets::{BatchRequest, Batches, DatasetError, ImageFolder, Loader, Render};
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
    Folder(Box<Folder>),
}

/// Pictures, read ahead as long as they are asked for in order.
struct Folder {
    loader: Loader,
    render: Render,
    /// The first image of the batch that comes next, the images of a batch, and those batches.
    stream: Option<(usize, usize, Batches)>,
}

impl Folder {
    /// Images `first .. first + size`, of which there are `count` in all.
    fn batch(&mut self, first: usize, size: usize, count: usize) -> Result<Tensor> {
        // The last batch may be smaller than the others.
        let goes_on =
            |next: usize, of: usize| next == first && (of == size || first + size == count);
        if !self
            .stream
            .as_ref()
            .is_some_and(|(next, of, _)| goes_on(*next, *of))
        {
            let batch = move |from: usize| {
                let indices: Vec<u32> = (from..count.min(from + size)).map(|i| i as u32).collect();
                BatchRequest::plain(&indices)
            };
            let requests = (first..count).step_by(size.max(1)).map(batch);
            self.stream = Some((first, size, self.loader.stream(requests)));
        }
        let Some((next, _, batches)) = &mut self.stream else {
            return Err(Error::from(DatasetError::EmptyBatch));
        };
        *next += size;
        let views = batches.next().ok_or(DatasetError::EmptyBatch)??;
        Ok(self.render.render(&views, &Device::Cpu)?)
    }
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
                    source: Source::Folder(Box::new(Folder {
                        loader: loaded.pictures(Arc::new(pictures))?,
                        render: loaded.render()?,
                        stream: None,
                    })),
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
            Source::Folder(folder) => folder.batch(first, count, self.count),
        }
    }

    /// The pictures' files, in order; `None` for a tensor.
    pub fn names(&self) -> Option<Vec<String>> {
        match &self.source {
            Source::Tensor(_) => None,
            Source::Folder(folder) => {
                let name = |i| folder.loader.dataset().name(i);
                Some((0..self.count).map(name).collect())
            }
        }
    }
}
