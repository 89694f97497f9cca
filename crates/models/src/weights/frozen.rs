//! Models on weights that stay as they are.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use spectralkd_nn::params;

use super::check;
use crate::{ModelConfig, Result, VisionModel};

/// A model whose weights stay as they are: a trained teacher, or a student under evaluation. No
/// gradient reaches its parameters, and without a trainable tensor in the images its forward pass
/// keeps no graph. All tensors are of one type, f32 or f64, which is the type of the images.
///
/// The values are copied: later steps of an optimiser do not show in a model frozen from the present
/// values of trainable variables.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config), [`Error::Mismatch`](crate::Error::Mismatch) and
/// [`Error::NotFinite`](crate::Error::NotFinite), as [`load`](super::load).
pub fn frozen(
    config: &ModelConfig,
    tensors: &BTreeMap<String, Tensor>,
    device: &Device,
) -> Result<Box<dyn VisionModel>> {
    check_all(config, tensors)?;
    let mut own = BTreeMap::new();
    for (name, tensor) in tensors {
        own.insert(name.clone(), tensor.detach().copy()?);
    }
    build(config, own, device)
}

/// As [`frozen`], but takes the tensors themselves, which saves the memory of a copy: for weights that were just
/// loaded. (The values of variables among them would follow their optimiser.)
///
/// # Errors
/// As [`frozen`].
pub fn into_frozen(
    config: &ModelConfig,
    tensors: BTreeMap<String, Tensor>,
    device: &Device,
) -> Result<Box<dyn VisionModel>> {
    check_all(config, &tensors)?;
    build(config, tensors, device)
}

/// The type of all tensors.
fn dtype(tensors: &BTreeMap<String, Tensor>) -> DType {
    tensors.values().next().map_or(DType::F32, Tensor::dtype)
}

fn check_all(config: &ModelConfig, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let dtype = dtype(tensors);
    let usable = matches!(dtype, DType::F32 | DType::F64);
    check::tensors(config, tensors, |own| own == dtype && usable)
}

fn build(
    config: &ModelConfig,
    tensors: BTreeMap<String, Tensor>,
    device: &Device,
) -> Result<Box<dyn VisionModel>> {
    let dtype = dtype(&tensors);
    config.build(params::frozen_once(tensors, dtype, device))
}
