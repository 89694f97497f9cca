//! Features of a model, layer by layer and a few images at a time.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use std::ops::Range;

use crate::error::{Error, Result};

/// Feature maps of a model on a list of images, readable in slices, so that a
/// comparison need not hold them all.
///
/// A file, a cache or a model that computes them on demand can stand behind it;
/// [`FeatureTensors`] is the one for tensors in memory. Slices are read more than once.
pub trait Features {
    /// What the model is called in tables, figures and errors.
    fn name(&self) -> &str;

    /// Number of images, the same for all layers.
    fn images(&self) -> usize;

    /// The layers in depth order: index in the model, and `[C, H, W]`.
    fn layers(&self) -> Vec<(usize, [usize; 3])>;

    /// The features `[count, C, H, W]` of the images `first .. first + count`
    /// in the layer of this index; any floating-point type, device and strides.
    ///
    /// # Errors
    /// What went wrong, in words; the caller adds model and layer.
    fn read(
        &mut self,
        layer: usize,
        first: usize,
        count: usize,
    ) -> std::result::Result<Tensor, String>;
}

/// Features that are tensors in memory.
#[derive(Clone, Debug)]
pub struct FeatureTensors {
    name: String,
    images: usize,
    layers: Vec<(usize, [usize; 3], Tensor)>,
}

impl FeatureTensors {
    /// The features (layer index, `[N, C, H, W]`) of a model on N images, in
    /// depth order.
    ///
    /// # Errors
    /// [`Error::Shape`] for tensors of another rank or with different N.
    pub fn new(name: impl Into<String>, layers: Vec<(usize, Tensor)>) -> Result<Self> {
        let shapes: Vec<Vec<usize>> = layers.iter().map(|l| l.1.dims().to_vec()).collect();
        let images = shapes.first().and_then(|s| s.first()).copied().unwrap_or(0);
        if shapes.iter().any(|s| s.len() != 4 || s[0] != images) {
            return Err(Error::Shape {
                what: "the features of all layers",
                expected: "[N, C, H, W] with one N",
                got: shapes,
            });
        }
        let layers = layers.into_iter().zip(shapes);
        Ok(Self {
            name: name.into(),
            images,
            layers: layers
                .map(|((index, t), s)| (index, [s[1], s[2], s[3]], t))
                .collect(),
        })
    }
}

impl Features for FeatureTensors {
    fn name(&self) -> &str {
        &self.name
    }

    fn images(&self) -> usize {
        self.images
    }

    fn layers(&self) -> Vec<(usize, [usize; 3])> {
        self.layers.iter().map(|l| (l.0, l.1)).collect()
    }

    fn read(
        &mut self,
        layer: usize,
        first: usize,
        count: usize,
    ) -> std::result::Result<Tensor, String> {
        let held = self.layers.iter().find(|l| l.0 == layer);
        let (_, _, tensor) = held.ok_or_else(|| format!("there is no layer {layer}"))?;
        tensor.narrow(0, first, count).map_err(|e| e.to_string())
    }
}

/// Features whose shapes have been checked, read as f64.
pub(super) struct Source<'a> {
    features: &'a mut dyn Features,
    pub(super) layers: Vec<(usize, [usize; 3])>,
}

impl<'a> Source<'a> {
    pub(super) fn open(features: &'a mut dyn Features) -> Result<Self> {
        let layers = features.layers();
        let model = features.name();
        for (at, (layer, shape)) in layers.iter().enumerate() {
            let problem = if shape.contains(&0) {
                format!("its shape [C, H, W] is {shape:?}, and no axis may be empty")
            } else if layers[..at].iter().any(|l| l.0 == *layer) {
                "it is listed twice".to_owned()
            } else {
                continue;
            };
            return Err(Error::Features {
                model: model.to_owned(),
                layer: *layer,
                problem,
            });
        }
        for (what, got) in [
            ("a comparison of layers", layers.len()),
            ("a comparison over images", features.images()),
        ] {
            if got == 0 {
                return Err(Error::TooFew { what, got, need: 1 });
            }
        }
        Ok(Self { features, layers })
    }

    pub(super) fn name(&self) -> &str {
        self.features.name()
    }

    pub(super) fn images(&self) -> usize {
        self.features.images()
    }

    /// Elements `C * H * W` of the layer at this place of the list.
    pub(super) fn size(&self, at: usize) -> usize {
        self.layers[at].1.iter().product()
    }

    /// The features `[images.len(), C, H, W]` of the layer at this place of the
    /// list, all finite, as f64 in row-major order.
    pub(super) fn read(&mut self, at: usize, images: Range<usize>) -> Result<Vec<f64>> {
        let (layer, [c, h, w]) = self.layers[at];
        let model = self.features.name().to_owned();
        let fail = |problem: String| Error::Features {
            model: model.clone(),
            layer,
            problem,
        };
        let tensor = self
            .features
            .read(layer, images.start, images.len())
            .map_err(fail)?;
        let expected = [images.len(), c, h, w];
        if tensor.dims() != expected || !tensor.dtype().is_float() {
            return Err(fail(format!(
                "expected floating-point features {expected:?}, got {:?} of {:?}",
                tensor.dims(),
                tensor.dtype()
            )));
        }
        let tensor = tensor.detach().to_device(&Device::Cpu)?;
        let values = tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let bad = values.par_iter().position_first(|v: &f64| !v.is_finite());
        match bad {
            None => Ok(values),
            Some(index) => {
                let (image, rest) = (index / (c * h * w), index % (c * h * w));
                Err(Error::NotFinite {
                    what: format!(
                        "layer {layer} of {model}, image {} ([C, H, W] = {:?})",
                        images.start + image,
                        [c, h, w]
                    ),
                    index: rest,
                    value: values[index],
                })
            }
        }
    }
}
