//! Small models to export.
#![allow(dead_code)] // every test file uses its own part

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_models::export::{self, Card, Exported, Preprocessing};
use spectralkd_models::{CaitConfig, DeitConfig, Error, ModelConfig, SwinConfig, Taps, frozen};
use spectralkd_nn::{Params, Pass};

pub const CPU: Device = Device::Cpu;

pub const CARD: Card<'static> = Card {
    title: "A tiny model",
    summary: "It knows nothing.",
    training: "Drawn at random.",
    results: "| data | top-1 |\n|---|---|\n| none | 10 % |",
    license: Some("mit"),
};

/// Small models of all kinds, none of a registry's size.
pub fn models() -> Vec<(&'static str, ModelConfig)> {
    let deit = DeitConfig {
        img_size: [28, 28],
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 24,
        depth: 2,
        num_heads: 3,
        mlp_ratio: 2.5,
        drop_path: 0.0,
        distilled: false,
    };
    let distilled = DeitConfig {
        img_size: [32, 16],
        in_chans: 3,
        distilled: true,
        ..deit.clone()
    };
    let cait = CaitConfig {
        img_size: [16, 24],
        patch_size: 4,
        in_chans: 3,
        num_classes: 5,
        embed_dim: 12,
        depth: 2,
        num_heads: 2,
        mlp_ratio: 3.0,
        drop_path: 0.0,
        depth_token_only: 1,
        init_values: 0.5,
    };
    let swin = SwinConfig {
        img_size: [48, 40],
        patch_size: 2,
        in_chans: 3,
        num_classes: 6,
        embed_dim: 12,
        depths: vec![2, 1, 2],
        num_heads: vec![1, 2, 3],
        window_size: 5,
        mlp_ratio: 2.0,
        drop_path: 0.0,
    };
    vec![
        ("deit_tiny_patch16_224", ModelConfig::Deit(deit)),
        (
            "deit_tiny_distilled_patch16_224",
            ModelConfig::Deit(distilled),
        ),
        ("cait_xxs24_224", ModelConfig::Cait(cait)),
        ("swin_tiny_patch4_window7_224", ModelConfig::Swin(swin)),
    ]
}

/// First weights with noise on all of them, so that each one matters.
pub fn noisy(config: &ModelConfig) -> BTreeMap<String, Tensor> {
    let params = Params::new();
    let init = Stream::new(3, "init");
    config
        .build(params.builder(&init, DType::F32, &CPU))
        .unwrap();
    let mut noise = Stream::new(4, "noise");
    let add = |tensor: Tensor| {
        let noise = (0..tensor.elem_count()).map(|_| 0.2 * noise.normal() as f32);
        let noise = Tensor::from_iter(noise, &CPU).unwrap();
        (&tensor + noise.reshape(tensor.shape()).unwrap()).unwrap()
    };
    let tensors = params.tensors().into_iter();
    let (names, values): (Vec<_>, Vec<_>) = tensors.unzip();
    names.into_iter().zip(values.into_iter().map(add)).collect()
}

pub fn preprocessing(channels: usize) -> Preprocessing {
    Preprocessing {
        interpolation: "bicubic".into(),
        crop_pct: 0.9,
        mean: vec![0.25; channels],
        std: vec![0.5; channels],
    }
}

pub fn write(
    folder: &Path,
    config: &ModelConfig,
    weights: &BTreeMap<String, Tensor>,
) -> Result<(), Error> {
    let preprocessing = preprocessing(config.in_chans());
    let model = Exported {
        config,
        weights,
        preprocessing: &preprocessing,
        tag: Some("test"),
        label_names: None,
        label_descriptions: None,
        card: CARD,
    };
    export::folder(folder, &model)
}

pub fn images(config: &ModelConfig) -> Tensor {
    let [height, width] = config.img_size();
    let shape = (2, config.in_chans(), height, width);
    let mut stream = Stream::new(9, "images");
    let values = (0..shape.0 * shape.1 * height * width).map(|_| stream.normal() as f32);
    let values = Tensor::from_iter(values, &CPU).unwrap();
    values.reshape(shape).unwrap()
}

pub fn logits(config: &ModelConfig, weights: &BTreeMap<String, Tensor>) -> Tensor {
    let model = frozen(config, weights, &CPU).unwrap();
    let output = model.forward(&images(config), &Taps::None, &Pass::eval());
    output.unwrap().logits
}
