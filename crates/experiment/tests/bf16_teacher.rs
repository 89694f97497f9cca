//! A training step guided by a teacher in bf16 beside the same step guided in f32.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_losses::{DistillationLoss, FeatureLoss, Logits, SpectralForm};
use spectralkd_models::{CaitConfig, DeitConfig, ModelConfig, Taps, VisionModel, weights};
use spectralkd_nn::{Params, Pass};

const CPU: Device = Device::Cpu;

fn student() -> ModelConfig {
    ModelConfig::Deit(DeitConfig {
        img_size: [28, 28],
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 24,
        depth: 4,
        num_heads: 3,
        mlp_ratio: 4.0,
        drop_path: 0.0,
        distilled: false,
    })
}

fn teacher() -> ModelConfig {
    ModelConfig::Cait(CaitConfig {
        img_size: [28, 28],
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 48,
        depth: 6,
        num_heads: 4,
        mlp_ratio: 4.0,
        drop_path: 0.0,
        depth_token_only: 2,
        init_values: 0.5,
    })
}

/// Parameters drawn from a seed; linear weights N(0, 1 / inputs), so that branches matter.
fn drawn(config: &ModelConfig) -> BTreeMap<String, Tensor> {
    let params = Params::new();
    let vb = params.builder(&Stream::new(5, "weights"), DType::F32, &CPU);
    config.build(vb).unwrap();
    let mut tensors = params.tensors();
    for (name, tensor) in &mut tensors {
        if let [_, inputs] = *tensor.dims()
            && name.ends_with(".weight")
        {
            *tensor = (tensor.copy().unwrap() * (50.0 / (inputs as f64).sqrt())).unwrap();
        }
    }
    tensors
}

#[test]
fn the_losses_of_a_step_are_those_of_an_f32_teacher_to_a_percent() {
    let mut stream = Stream::new(6, "images");
    let pixels: Vec<f32> = (0..4 * 28 * 28).map(|_| stream.normal() as f32).collect();
    let images = Tensor::from_vec(pixels, (4, 1, 28, 28), &CPU).unwrap();
    let targets = Tensor::new(&[3u32, 1, 4, 1], &CPU).unwrap();
    let params = Params::new();
    let vb = params.builder(&Stream::new(7, "init"), DType::F32, &CPU);
    let student = student().build(vb).unwrap();
    let loss = DistillationLoss {
        logits: Logits::Soft,
        alpha: 0.9,
        tau: 1.0,
        smoothing: 0.1,
        beta: 1.0,
        feature: Some((FeatureLoss::Spectral(SpectralForm::Parseval), 0.2)),
    };

    // The parts of the loss by name, and the gradients of all parameters.
    let step = |teacher: &dyn VisionModel| {
        let pass = Pass::eval();
        let taken = teacher.forward(&images, &Taps::List(vec![0, 1, -2, -1]), &pass);
        let (taken, given) = (taken.unwrap(), student.forward(&images, &Taps::All, &pass));
        let given = given.unwrap();
        let pairs: Vec<_> = (given.features.iter().zip(&taken.features))
            .map(|((_, student), (_, teacher))| (student.clone(), teacher.clone()))
            .collect();
        let loss = loss.forward(&given.logits, &targets, Some(&taken.logits), &pairs);
        let loss = loss.unwrap();
        let parts = loss.parts.iter();
        let parts: BTreeMap<_, f32> = parts
            .map(|(name, part)| (*name, part.to_scalar().unwrap()))
            .collect();
        let gradients = loss.total.backward().unwrap();
        let gradient = |var: &Tensor| gradients.get(var).expect("a gradient").clone();
        let gradients = params.vars().into_values();
        let gradients: Vec<_> = gradients
            .map(|var| gradient(&var).flatten_all().unwrap())
            .collect();
        (parts, Tensor::cat(&gradients, 0).unwrap())
    };
    let tensors = drawn(&teacher());
    let single = weights::into_frozen(&teacher(), tensors.clone(), &CPU).unwrap();
    let half = weights::into_frozen_bf16(&teacher(), tensors, &CPU).unwrap();
    let ((want, want_gradient), (got, got_gradient)) = (step(&*single), step(&*half));

    assert_eq!(got["ce"], want["ce"], "the student's own");
    for part in ["kd", "feature"] {
        let off = (got[part] / want[part] - 1.0).abs();
        assert!(off < 1e-2, "{part}: {} for {}", got[part], want[part]);
        assert!(off > 0.0, "{part}: both teachers are f32");
    }
    let norm = |x: &Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>();
    let off = (got_gradient - &want_gradient).unwrap();
    let off = (norm(&off).unwrap() / norm(&want_gradient).unwrap()).sqrt();
    assert!(off < 2e-2, "the gradient is off by {off:e}");
}
