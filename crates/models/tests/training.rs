//! Models that learn: every gradient is there and right, and first values are seeded.

mod common;

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use common::{all_golden_files, evaluate, everything, rms, trainable};
use spectralkd_base::random::Stream;
use spectralkd_models::{ModelConfig, Output, VisionModel, frozen};
use spectralkd_nn::Params;
use spectralkd_testing::flat;

const CPU: Device = Device::Cpu;

/// A freshly initialised model of a golden file's sizes.
fn fresh(config: &ModelConfig, seed: u64) -> (BTreeMap<String, Var>, Box<dyn VisionModel>) {
    let params = Params::new();
    let vb = params.builder(&Stream::new(seed, "init"), DType::F32, &CPU);
    let model = config.build(vb).unwrap();
    (params.vars(), model)
}

/// Mean square of the logits: the gradient of any logit matters to it.
fn energy(output: &Output) -> Tensor {
    output.logits.sqr().unwrap().mean_all().unwrap()
}

fn gradient(gradients: &GradStore, var: &Var) -> Option<Vec<f64>> {
    gradients.get(var).map(flat)
}

#[test]
fn before_training_every_parameter_gets_a_gradient() {
    for golden in all_golden_files() {
        let (vars, model) = fresh(&golden.config, 7);
        assert!(vars.keys().eq(golden.config.parameters().unwrap().keys()));
        let gradients = energy(&evaluate(&*model, &golden.images))
            .backward()
            .unwrap();
        for (name, var) in &vars {
            let found =
                gradient(&gradients, var).unwrap_or_else(|| panic!("{name} has no gradient"));
            assert!(found.iter().all(|value| value.is_finite()), "{name}");
            let exempt = golden.config.zero_gradient(name).unwrap_or(0..0);
            for part in [&found[..exempt.start], &found[exempt.end..]] {
                assert!(
                    part.is_empty() || rms(part) > 0.0,
                    "the gradient of {name} is zero"
                );
            }
        }
    }
}

#[test]
fn a_frozen_model_gets_no_gradients_and_keeps_no_graph() {
    for golden in all_golden_files() {
        let (vars, _) = fresh(&golden.config, 7);
        let weights = vars
            .iter()
            .map(|(name, var)| (name.clone(), var.as_tensor().clone()));
        let model = frozen(&golden.config, &weights.collect(), &CPU).unwrap();
        let output = evaluate(&*model, &golden.images);
        assert!(
            !output.logits.track_op() && output.features.iter().all(|(_, map)| !map.track_op())
        );

        let images = Var::from_tensor(&golden.images).unwrap();
        let gradients = energy(&evaluate(&*model, &images)).backward().unwrap();
        assert!(gradient(&gradients, &images).is_some_and(|values| rms(&values) > 0.0));
        assert!(vars.values().all(|var| gradients.get(var).is_none()));
    }
}

#[test]
fn a_frozen_model_does_not_follow_the_variables_it_was_made_from() {
    for golden in all_golden_files() {
        let (vars, trained) = fresh(&golden.config, 7);
        let weights = vars
            .iter()
            .map(|(name, var)| (name.clone(), var.as_detached_tensor()));
        let model = frozen(&golden.config, &weights.collect(), &CPU).unwrap();
        let before = everything(&evaluate(&*model, &golden.images));
        assert_eq!(before, everything(&evaluate(&*trained, &golden.images)));
        for var in vars.values() {
            var.set(&var.affine(2.0, 0.1).unwrap()).unwrap();
        }
        assert_eq!(before, everything(&evaluate(&*model, &golden.images)));
        assert_ne!(before, everything(&evaluate(&*trained, &golden.images)));
    }
}

/// Central differences in f64 at three places of each parameter and of the images.
#[test]
fn gradients_are_those_of_finite_differences() {
    const STEP: f64 = 1e-5;
    for golden in all_golden_files() {
        let (mut vars, model) = trainable(&golden.config, &golden.weights, DType::F64);
        let images = Var::from_tensor(&golden.images.to_dtype(DType::F64).unwrap()).unwrap();
        let scalar = || golden.scalar(&evaluate(&*model, &images));
        let value = || scalar().to_scalar::<f64>().unwrap();
        let gradients = scalar().backward().unwrap();

        vars.insert("images".into(), images.clone());
        let places = Stream::new(1, "places");
        for (name, var) in &vars {
            let analytic = gradient(&gradients, var).unwrap();
            let original = flat(var);
            let mut place = places.named(name);
            for _ in 0..3 {
                let at = place.below(original.len() as u64) as usize;
                let shifted = |by: f64| {
                    let mut moved = original.clone();
                    moved[at] += by;
                    var.set(&Tensor::from_vec(moved, var.shape(), &CPU).unwrap())
                        .unwrap();
                    value()
                };
                let numeric = (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP);
                let error = (numeric - analytic[at]).abs();
                assert!(
                    error < 1e-6 * (1.0 + numeric.abs()),
                    "{name}[{at}]: {} against {numeric} by finite differences",
                    analytic[at]
                );
            }
            var.set(&Tensor::from_vec(original, var.shape(), &CPU).unwrap())
                .unwrap();
        }
    }
}

#[test]
fn first_values_are_those_of_timm_and_seeded() {
    for golden in all_golden_files() {
        let [first, again, other] = [7, 7, 8].map(|seed| fresh(&golden.config, seed).0);
        let deit = golden.config.family() == "deit";
        let width = first["patch_embed.proj.bias"].elem_count();
        for (name, var) in &first {
            let found = flat(var);
            assert_eq!(found, flat(&again[name]), "{name}");

            let mean = found.iter().sum::<f64>() / found.len() as f64;
            let constant = if name.contains("norm") && name.ends_with("weight") {
                Some(1.0)
            } else if name.contains(".gamma_") {
                Some(0.1)
            } else if name.ends_with("bias") && name != "patch_embed.proj.bias" {
                Some(0.0)
            } else {
                None
            };
            if let Some(constant) = constant {
                assert!(
                    found.iter().all(|value| (value - constant).abs() < 1e-8),
                    "{name}"
                );
                continue;
            }
            assert_ne!(found, flat(&other[name]), "{name}");
            // PyTorch's convolution: uniform up to 1/sqrt(fan in).
            let fan_in = first["patch_embed.proj.weight"].elem_count() / width;
            let bound = 1.0 / (fan_in as f64).sqrt();
            let sd = match name.as_str() {
                "patch_embed.proj.weight" | "patch_embed.proj.bias" => bound / 3f64.sqrt(),
                "cls_token" if deit => 1e-6,
                _ => 0.02,
            };
            if name.starts_with("patch_embed") {
                assert!(found.iter().all(|value| value.abs() <= bound), "{name}");
            }
            // Four standard errors of a normal sample's mean and standard deviation.
            let error = 4.0 / (found.len() as f64).sqrt();
            assert!(mean.abs() < error * sd, "{name}: mean {mean}");
            let spread = rms(&found.iter().map(|value| value - mean).collect::<Vec<_>>());
            assert!(
                (spread / sd - 1.0).abs() < error,
                "{name}: standard deviation {spread}"
            );
        }
    }
}
