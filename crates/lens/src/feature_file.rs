//! Features in a file: what `features` writes, or what somebody else has made.

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use spectralkd_models::tensor_file::{self, Slices};

use crate::error::{Error, Result};

/// How the names of maps begin; the layer's index follows.
const PREFIX: &str = "features.";

/// The maps `features.<i>`, f32 [B, C, H, W], of a safetensors file, read in slices.
#[derive(Debug)]
pub struct FeatureFile {
    path: PathBuf,
    images: usize,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    index: usize,
    /// Channels, height, width.
    map: [usize; 3],
    slices: Slices,
}

impl FeatureFile {
    /// Opens a file.
    ///
    /// # Errors
    /// The file cannot be read or is no safetensors file; it holds no `features.<i>`; one of them is not f32
    /// [B, C, H, W]; or they are of different numbers of images.
    pub fn open(path: &Path) -> Result<Self> {
        let problem = |problem: String| Error::TensorFile {
            path: path.to_owned(),
            problem,
        };
        let mut layers = Vec::new();
        let mut images = None;
        let shapes = tensor_file::shapes(path)?;
        for (name, shape) in &shapes {
            let Some(index) = name.strip_prefix(PREFIX).and_then(|i| i.parse().ok()) else {
                continue;
            };
            let &[count, c, h, w] = shape.as_slice() else {
                return Err(problem(format!(
                    "`{name}` has the shape {shape:?}, and feature maps are [B, C, H, W]"
                )));
            };
            if shape.contains(&0) || *images.get_or_insert(count) != count {
                return Err(problem(format!(
                    "`{name}` has the shape {shape:?}: no size may be 0, and all maps must be of the same images"
                )));
            }
            layers.push(Layer {
                index,
                map: [c, h, w],
                slices: Slices::open(path, name)?,
            });
        }
        let Some(images) = images else {
            let names: Vec<&str> = shapes.keys().map(String::as_str).take(8).collect();
            return Err(problem(format!(
                "it holds no tensor `features.<i>`, [B, C, H, W], with i counting layers from 0; it holds {}",
                names.join(", ")
            )));
        };
        layers.sort_by_key(|layer| layer.index);
        Ok(Self {
            path: path.to_owned(),
            images,
            layers,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's name without its ending, by which figures call it.
    pub fn name(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    /// The number of images, at least 1.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Leaves out all images but the first `count`, at least 1.
    pub fn truncate(&mut self, count: usize) {
        self.images = self.images.min(count.max(1));
    }

    /// Index and shape (channels, height, width) of every layer, ascending.
    pub fn layers(&self) -> Vec<(usize, [usize; 3])> {
        self.layers.iter().map(|l| (l.index, l.map)).collect()
    }

    /// Images `first .. first + count` of one layer, [count, C, H, W].
    ///
    /// # Errors
    /// There is no such layer, the file cannot be read, or a value is not finite.
    pub fn layer(&mut self, index: usize, first: usize, count: usize) -> Result<Tensor> {
        let layer = self.layers.iter_mut().find(|layer| layer.index == index);
        match layer {
            Some(layer) => Ok(layer.slices.read(first, count)?),
            None => Err(Error::TensorFile {
                path: self.path.clone(),
                problem: format!("it holds no `{PREFIX}{index}`"),
            }),
        }
    }

    /// Images `first .. first + count` of all layers.
    ///
    /// # Errors
    /// The file cannot be read, or a value is not finite.
    pub fn batch(&mut self, first: usize, count: usize) -> Result<Vec<(usize, Tensor)>> {
        let read = |layer: &mut Layer| Ok((layer.index, layer.slices.read(first, count)?));
        self.layers.iter_mut().map(read).collect()
    }
}
