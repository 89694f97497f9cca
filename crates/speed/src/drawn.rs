//! Models and images out of a fixed seed: what is timed needs no download.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use spectralkd_base::random::Stream;
use spectralkd_models::{ModelConfig, VisionModel, weights};
use spectralkd_nn::Params;

use crate::case::{Named, Precision};
use crate::error::Result;

/// The seed of everything drawn here.
pub(crate) const SEED: u64 = 0;

/// A model in training, without drop path as the paper's recipes have it, and its variables by name.
pub(crate) fn trainable(
    config: &ModelConfig,
) -> Result<(Box<dyn VisionModel>, BTreeMap<String, Var>)> {
    let params = Params::new();
    let init = Stream::new(SEED, "student");
    let config = config.clone().with_drop_path(0.0);
    let model = config.build(params.builder(&init, DType::F32, &Device::Cpu))?;
    Ok((model, params.vars()))
}

/// A model whose f32 weights stay as they are.
pub(crate) fn frozen(config: &ModelConfig) -> Result<Box<dyn VisionModel>> {
    Ok(weights::into_frozen(
        config,
        tensors(config)?,
        &Device::Cpu,
    )?)
}

/// The frozen teacher of a step, its weights in the number type asked for.
pub(crate) fn teacher(teacher: &Named, precision: Precision) -> Result<Box<dyn VisionModel>> {
    match precision {
        Precision::F32 => frozen(&teacher.config),
        Precision::Bf16Teacher => Ok(weights::into_frozen_bf16(
            &teacher.config,
            tensors(&teacher.config)?,
            &Device::Cpu,
        )?),
    }
}

/// First values of a model's parameters, none of which is a variable any more.
fn tensors(config: &ModelConfig) -> Result<BTreeMap<String, Tensor>> {
    let params = Params::new();
    let init = Stream::new(SEED, "frozen");
    // Building the model is what draws them; it is dropped again at once.
    config.build(params.builder(&init, DType::F32, &Device::Cpu))?;
    Ok(params.tensors())
}

/// Normal numbers of this shape.
pub(crate) fn numbers(purpose: &str, shape: &[usize]) -> Result<Tensor> {
    let mut stream = Stream::new(SEED, purpose);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| stream.normal() as f32).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Images [B, C, H, W] for a model.
pub(crate) fn images(config: &ModelConfig, batch: usize) -> Result<Tensor> {
    let [height, width] = config.img_size();
    numbers("images", &[batch, config.in_chans(), height, width])
}

/// Labels [B] for a model.
pub(crate) fn labels(config: &ModelConfig, batch: usize) -> Result<Tensor> {
    let mut stream = Stream::new(SEED, "labels");
    let classes = config.num_classes() as u64;
    let labels: Vec<u32> = (0..batch).map(|_| stream.below(classes) as u32).collect();
    Ok(Tensor::new(labels, &Device::Cpu)?)
}
