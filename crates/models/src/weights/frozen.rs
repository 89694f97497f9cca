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

/// As [`into_frozen`], with the weights of all linear layers in bf16: half the memory, and on a CPU with
/// AVX512-BF16 more products a second. For a teacher that is only asked.
///
/// The weights of attention (q, k, v, proj), perceptrons, patch merging and classifiers are rounded to the nearest bf16
/// and packed; so are, in every forward pass, the inputs of their products, whose sums are f32 (see
/// [`spectralkd_nn::kernels::bf16`]). Biases, norms, embeddings, LayerScale, the mixing of talking heads and
/// the patch embedding stay f32, as do attention itself and GELU. Feature maps come out within about 1 % of those of the f32
/// model (relative root mean square; small models in `tests/bf16.rs`).
///
/// The model takes f32 images on `device` that no gradient is asked of; on a CPU its forward pass fails with others. On
/// another device, inputs and results of the products are rounded to bf16.
///
/// # Errors
/// As [`frozen`], and [`Error::Mismatch`](crate::Error::Mismatch) if a tensor is not f32.
pub fn into_frozen_bf16(
    config: &ModelConfig,
    mut tensors: BTreeMap<String, Tensor>,
    device: &Device,
) -> Result<Box<dyn VisionModel>> {
    check::tensors(config, &tensors, |own| own == DType::F32)?;
    for (name, tensor) in &mut tensors {
        if is_linear(name, tensor) {
            *tensor = tensor.to_dtype(DType::BF16)?;
        }
    }
    config.build(params::frozen_bf16(tensors, device))
}

/// Whether this is the weight of a linear layer that computes with it: of two axes, and not one that mixes heads.
fn is_linear(name: &str, tensor: &Tensor) -> bool {
    let mixing = [".proj_l.weight", ".proj_w.weight"];
    let linear = name.ends_with(".weight") && tensor.rank() == 2;
    linear && !mixing.iter().any(|end| name.ends_with(end))
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
