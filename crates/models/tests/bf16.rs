//! Models whose linear weights are bf16 beside the same ones in f32.

#[path = "common/configs.rs"]
mod configs;

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use configs::families;
use spectralkd_base::random::Stream;
use spectralkd_models::{Error, ModelConfig, Output, Taps, VisionModel, weights};
use spectralkd_nn::{Builder, Form, Params, Pass, params};
use spectralkd_testing::relative;

const CPU: Device = Device::Cpu;

/// Weights of a size at which every branch matters: those of linear layers N(0, 1 / inputs), LayerScale about 1/2,
/// where those of a new model hardly touch the residual stream.
fn tensors(config: &ModelConfig) -> BTreeMap<String, Tensor> {
    let params = Params::new();
    let vb = params.builder(&Stream::new(5, "weights"), DType::F32, &CPU);
    config.build(vb).unwrap();
    let mut tensors = params.tensors();
    for (name, tensor) in &mut tensors {
        let scale = match tensor.dims() {
            [_, inputs] if name.ends_with(".weight") => 50.0 / (*inputs as f64).sqrt(),
            [_] if name.contains("gamma") => 5.0,
            _ => 1.0,
        };
        *tensor = (tensor.copy().unwrap() * scale).unwrap();
    }
    tensors
}

fn images(config: &ModelConfig) -> Tensor {
    let [channels, height, width] = config.info().unwrap().image;
    let mut stream = Stream::new(6, "images");
    let count = 3 * channels * height * width;
    let pixels: Vec<f32> = (0..count).map(|_| stream.normal() as f32).collect();
    Tensor::from_vec(pixels, (3, channels, height, width), &CPU).unwrap()
}

fn forward(model: &dyn VisionModel, images: &Tensor) -> Output {
    model.forward(images, &Taps::All, &Pass::eval()).unwrap()
}

#[test]
fn features_and_logits_are_those_of_f32_to_a_percent() {
    for config in families() {
        let (tensors, images) = (tensors(&config), images(&config));
        let single = weights::into_frozen(&config, tensors.clone(), &CPU).unwrap();
        let half = weights::into_frozen_bf16(&config, tensors, &CPU).unwrap();
        let (want, got) = (forward(&*single, &images), forward(&*half, &images));
        let family = config.family();
        assert_eq!(got.features.len(), single.info().taps.len());
        for ((tap, got), (_, want)) in got.features.iter().zip(&want.features) {
            let off = relative(got, want);
            assert!(off < 1e-2, "{family}, tap {tap}: off by {off:e}");
            assert!(off > 1e-4, "{family}, tap {tap}: {off:e} is no bf16");
        }
        let off = relative(&got.logits, &want.logits);
        assert!(off < 1e-2, "{family}, logits: off by {off:e}");
    }
}

/// On other devices the weights stay tensors, and results are rounded too.
#[test]
fn composed_features_and_logits_are_near_as_well() {
    for config in families() {
        let (tensors, images) = (tensors(&config), images(&config));
        let single = weights::into_frozen(&config, tensors.clone(), &CPU).unwrap();
        let mixes = |name: &str| name.contains("proj_l") || name.contains("proj_w");
        let halved = tensors.into_iter().map(|(name, tensor)| {
            let half = tensor.rank() == 2 && name.ends_with(".weight") && !mixes(&name);
            let dtype = if half { DType::BF16 } else { DType::F32 };
            (name, tensor.to_dtype(dtype).unwrap())
        });
        let builder = Builder::from(params::frozen_bf16(halved.collect(), &CPU));
        let half = config.build(builder.in_form(Form::Composed)).unwrap();
        let (want, got) = (forward(&*single, &images), forward(&*half, &images));
        let family = config.family();
        let maps = got.features.iter().zip(&want.features);
        let maps = maps.map(|((_, got), (_, want))| (got, want));
        for (got, want) in maps.chain([(&got.logits, &want.logits)]) {
            let off = relative(got, want);
            assert!((1e-4..2e-2).contains(&off), "{family}: off by {off:e}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let config = &families()[0];
    let (tensors, images) = (tensors(config), images(config));
    let wide = |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap();
    let doubles = tensors.iter().map(|(name, t)| (name.clone(), wide(t)));
    let error = weights::into_frozen_bf16(config, doubles.collect(), &CPU).err();
    assert!(matches!(error, Some(Error::Mismatch { .. })), "{error:?}");

    let model = weights::into_frozen_bf16(config, tensors, &CPU).unwrap();
    let tracked = Var::from_tensor(&images).unwrap();
    let error = model.forward(&tracked, &Taps::None, &Pass::eval());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no gradient passes through"), "{error}");
}
