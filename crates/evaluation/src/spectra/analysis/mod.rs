//! The analysis of a model's layers: everything that their features tell about themselves.

mod analysed;
mod covariance;
mod eigenvalues;
mod figures;
mod layer;
mod tables;
mod value_histogram;

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

pub use analysed::{AnalysedLayer, AnalysedModel, BinQuantiles, Permuted};
pub use figures::{
    depth_figure, intensity_figure, normalised_intensity_figure, radial_figure, spectra_figure,
};
pub use value_histogram::Entropy;

use crate::error::{Error, Result};
use layer::LayerAnalysis;

/// What an analysis does beside the plain means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnalysisOptions {
    /// Seed of the random channel orders.
    pub seed: u64,
    /// Random channel orders per layer; 0 leaves the control out.
    pub permutations: usize,
    /// Images, the first ones, on which the orders are compared.
    pub permutation_images: usize,
}

impl Default for AnalysisOptions {
    /// Seed 0, 100 permutations on at most 64 images.
    fn default() -> Self {
        Self {
            seed: 0,
            permutations: 100,
            permutation_images: 64,
        }
    }
}

/// The analysis of a model over any number of batches, in constant memory: per layer of `C`
/// channels about `8 C^2` bytes for the covariance, 0.5 MiB for the histogram of values, and some
/// hundreds of `8 C` bytes for spectra and permutations (70 MiB for 24 layers of 384 channels).
///
/// Results depend on the cut into batches by rounding only, and not on the number of threads.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use spectralkd_evaluation::spectra::{AnalysisOptions, ModelAnalysis};
///
/// // Two images of a layer with four channels: the first has a cosine along its channels.
/// let wave = Tensor::new(&[1f32, 0., -1., 0.], &Device::Cpu)?.reshape((1, 4, 1, 1))?;
/// let wave = wave.broadcast_as((1, 4, 3, 3))?;
/// let features = Tensor::cat(&[&wave, &wave.zeros_like()?], 0)?;
///
/// let mut analysis = ModelAnalysis::new("toy", AnalysisOptions::default());
/// analysis.push(&[(0, features)])?;
/// let model = analysis.finish()?;
/// let layer = &model.layers[0];
/// assert_eq!(layer.amplitude, [0.0, 0.25, 0.0, 0.25]);
/// assert_eq!(layer.intensity, 0.125);
/// assert!((layer.effective_rank.unwrap_or(0.0) - 1.0).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelAnalysis {
    name: String,
    options: AnalysisOptions,
    layers: BTreeMap<usize, LayerAnalysis>,
}

impl ModelAnalysis {
    /// No batch seen yet.
    pub fn new(name: &str, options: AnalysisOptions) -> Self {
        Self {
            name: name.to_owned(),
            options,
            layers: BTreeMap::new(),
        }
    }

    /// Adds a batch: (layer, features of shape `[B, C, H, W]`), the same layers with the same C, H
    /// and W in every batch and one B for all. Floating-point types, any strides.
    ///
    /// # Errors
    /// [`Error::Layer`] when the layers are not those of the batches before or one comes twice;
    /// [`Error::Shape`] for other shapes, an empty one, or several B; [`Error::Spectral`] for an
    /// element type that is no float; [`Error::NotFinite`] for NaN or infinity. The analysis is as
    /// it was then.
    pub fn push(&mut self, features: &[(usize, Tensor)]) -> Result<()> {
        self.check(features)?;
        for (index, map) in features {
            let layer = match self.layers.entry(*index) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let (_, channels, height, width) = map.dims4()?;
                    let shape = [channels, height, width];
                    entry.insert(LayerAnalysis::new(*index, shape, &self.options)?)
                }
            };
            layer.push(map)?;
        }
        Ok(())
    }

    /// Adds the batches that another analysis of the same model with the same options has seen. The
    /// permutations are then those of the first images of both.
    ///
    /// # Errors
    /// [`Error::Layer`] when the layers differ, [`Error::Shape`] when their shapes do, and
    /// [`Error::Spectral`] when the options do.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if other.layers.is_empty() {
            return Ok(());
        }
        if self.layers.is_empty() {
            self.layers.clone_from(&other.layers);
            return Ok(());
        }
        self.same_layers(other.layers.keys().copied())?;
        let mut merged = self.layers.clone();
        for (index, more) in &other.layers {
            if let Some(layer) = merged.get_mut(index) {
                if layer.shape != more.shape {
                    return Err(wrong_shapes(
                        [&layer.shape, &more.shape].map(|s| s.to_vec()),
                    ));
                }
                layer.merge(more)?;
            }
        }
        self.layers = merged;
        Ok(())
    }

    /// Everything the batches have told.
    ///
    /// # Errors
    /// [`Error::TooFew`] before the first image; [`Error::Eigenvalues`].
    pub fn finish(&self) -> Result<AnalysedModel> {
        let images = self.layers.values().map(|l| l.images).min().unwrap_or(0);
        if images == 0 {
            return Err(Error::TooFew {
                what: "an analysis",
                got: 0,
                need: 1,
            });
        }
        let low = self.layers.values().map(|l| l.values.min);
        let high = self.layers.values().map(|l| l.values.max);
        let range = low.fold(f64::INFINITY, f64::min)..=high.fold(f64::NEG_INFINITY, f64::max);
        let layers = self.layers.values().map(|layer| layer.finish(&range));
        Ok(AnalysedModel {
            name: self.name.clone(),
            images,
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// The layers are those of the batches before.
    fn same_layers(&self, layers: impl Iterator<Item = usize>) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        for layer in layers {
            let known = self.layers.is_empty() || self.layers.contains_key(&layer);
            if !seen.insert(layer) || !known {
                return Err(self.odd(layer));
            }
        }
        match self.layers.keys().find(|layer| !seen.contains(layer)) {
            Some(&layer) => Err(self.odd(layer)),
            None => Ok(()),
        }
    }

    fn odd(&self, layer: usize) -> Error {
        Error::Layer {
            model: "batch",
            layer,
            present: self.layers.keys().copied().collect(),
        }
    }

    fn check(&self, features: &[(usize, Tensor)]) -> Result<()> {
        self.same_layers(features.iter().map(|f| f.0))?;
        let shapes = || features.iter().map(|(_, map)| map.dims().to_vec());
        for (index, map) in features {
            let dims = map.dims();
            let full = dims.len() == 4 && dims[1..].iter().all(|&n| n > 0);
            let known = self
                .layers
                .get(index)
                .is_none_or(|l| full && dims[1..] == l.shape);
            if !full || !known || dims[0] != features[0].1.dims()[0] {
                return Err(wrong_shapes(shapes()));
            }
            if !map.dtype().is_float() {
                return Err(spectralkd_spectral::Error::DType {
                    op: "ModelAnalysis::push",
                    dtype: map.dtype(),
                }
                .into());
            }
            if dims[0] == 0 {
                continue;
            }
            // Magnitudes whose squares overflow would make every energy infinite.
            let sum = map.to_dtype(DType::F64)?.sqr()?.sum_all()?;
            let value = sum.to_scalar::<f64>()? * dims[1] as f64;
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    what: format!("the energy of layer {index}'s features of shape {dims:?}"),
                    index: 0,
                    value,
                });
            }
        }
        Ok(())
    }
}

fn wrong_shapes(got: impl IntoIterator<Item = Vec<usize>>) -> Error {
    Error::Shape {
        what: "the features of a model's layers",
        expected: "[B, C, H, W] with one B, and C, H, W of at least 1 as in the batches before",
        got: got.into_iter().collect(),
    }
}
