//! Models and images out of a fixed seed: what is timed needs no download.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_datasets::{ImageSet, Normalise, Render};
use spectralkd_distillation::{Columns, FrozenTeacher, Student};
use spectralkd_models::{ModelConfig, VisionModel, weights};
use spectralkd_nn::Params;

use crate::case::{Named, Precision};
use crate::error::Result;

/// The seed of everything drawn here.
pub(crate) const SEED: u64 = 0;

/// A model in training, without drop path as the paper's recipes have it.
pub(crate) fn student(config: &ModelConfig, device: &Device) -> Result<Student> {
    let config = config.clone().with_drop_path(0.0);
    let render = render(&config)?;
    Ok(Student::new_on(device, &config, None, render, SEED)?)
}

/// From a view to the images of a model of these sizes, in levels of -1 to 1.
fn render(config: &ModelConfig) -> Result<Render> {
    let channels = config.in_chans();
    let half = vec![0.5; channels];
    let normalise = Normalise {
        mean: half.clone(),
        std: half,
    };
    Ok(Render::new(config.img_size(), channels, normalise)?)
}

/// A model whose f32 weights stay as they are.
pub(crate) fn frozen(config: &ModelConfig, device: &Device) -> Result<Box<dyn VisionModel>> {
    Ok(weights::into_frozen(config, tensors(config)?, device)?)
}

/// The frozen teacher of a step, its weights in the number type asked for.
pub(crate) fn teacher(
    teacher: &Named,
    precision: Precision,
    device: &Device,
) -> Result<FrozenTeacher> {
    let config = &teacher.config;
    let precision = match precision {
        Precision::F32 => spectralkd_distillation::Precision::F32,
        Precision::Bf16Teacher => spectralkd_distillation::Precision::Bf16,
    };
    let (tensors, render) = (tensors(config)?, render(config)?);
    Ok(FrozenTeacher::new_on(
        device,
        config,
        tensors,
        precision,
        render,
        Columns::Same,
    )?)
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
pub(crate) fn numbers(purpose: &str, shape: &[usize], device: &Device) -> Result<Tensor> {
    let mut stream = Stream::new(SEED, purpose);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| stream.normal() as f32).collect();
    Ok(Tensor::from_vec(values, shape, device)?)
}

/// Images [B, C, H, W] for a model.
pub(crate) fn images(config: &ModelConfig, batch: usize, device: &Device) -> Result<Tensor> {
    let [height, width] = config.img_size();
    numbers("images", &[batch, config.in_chans(), height, width], device)
}

/// Images in memory that a model can take, of as many classes as it has logits.
pub(crate) fn set(config: &ModelConfig, count: usize) -> Result<ImageSet> {
    let [height, width] = config.img_size();
    let shape = [config.in_chans(), height, width];
    let mut levels = Stream::new(SEED, "levels");
    let count_of = |shape: [usize; 3]| count * shape.iter().product::<usize>();
    let pixels = (0..count_of(shape))
        .map(|_| levels.below(256) as u8)
        .collect();
    let mut stream = Stream::new(SEED, "labels");
    let classes = config.num_classes();
    let labels = (0..count)
        .map(|_| stream.below(classes as u64) as u32)
        .collect();
    let names = (0..classes).map(|class| class.to_string()).collect();
    Ok(ImageSet::new(shape, pixels, labels, names)?)
}
