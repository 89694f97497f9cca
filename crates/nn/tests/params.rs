//! Seeded parameters, frozen weights, and the draws of a training pass.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::Init;
use candle_nn::init::{DEFAULT_KAIMING_NORMAL, DEFAULT_KAIMING_UNIFORM};
use spectralkd_base::random::Stream;
use spectralkd_nn::kernels::storage::to_vec;
use spectralkd_nn::{Params, Pass, params};

const CPU: Device = Device::Cpu;

fn moments(init: Init, shape: &[usize]) -> (f64, f64, f64) {
    let stream = Stream::new(1, "init");
    let tensor = params::draw(init, &shape.into(), stream, DType::F64, &CPU).unwrap();
    let x: Vec<f64> = to_vec(&tensor).unwrap();
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
    let largest = x.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
    (mean, variance.sqrt(), largest)
}

#[test]
fn initialisers_have_their_moments() {
    let shape = [100, 50, 4];
    assert_eq!(moments(Init::Const(3.0), &shape), (3.0, 0.0, 3.0));
    let (mean, sd, _) = moments(
        Init::Randn {
            mean: 1.0,
            stdev: 0.02,
        },
        &shape,
    );
    assert!(
        (mean - 1.0).abs() < 1e-3 && (sd - 0.02).abs() < 5e-4,
        "{mean} {sd}"
    );
    let (mean, sd, largest) = moments(Init::Uniform { lo: -2.0, up: 2.0 }, &shape);
    assert!(mean.abs() < 0.03 && (sd - 2.0 / 3f64.sqrt()).abs() < 0.02 && largest <= 2.0);
    let (_, sd, largest) = moments(DEFAULT_KAIMING_UNIFORM, &shape); // gain sqrt 2, fan in 200
    assert!(
        (sd - 0.1).abs() < 2e-3 && largest <= 0.1 * 3f64.sqrt(),
        "{sd} {largest}"
    );
    let (_, sd, largest) = moments(DEFAULT_KAIMING_NORMAL, &shape);
    assert!((sd - 0.1).abs() < 2e-3 && largest > 0.3, "{sd} {largest}");
}

#[test]
fn a_parameter_depends_on_seed_and_name_alone() {
    let init = Init::Randn {
        mean: 0.0,
        stdev: 1.0,
    };
    let values = |seed: u64, names: &[&str]| {
        let params = Params::new();
        let vb = params.builder(&Stream::new(seed, "init"), DType::F32, &CPU);
        for name in names {
            vb.pp("layer").get_with_hints(5, name, init).unwrap();
        }
        let tensors = params.tensors();
        assert!(tensors.keys().is_sorted());
        to_vec::<f32>(&tensors["layer.a"]).unwrap()
    };
    assert_eq!(values(1, &["a"]), values(1, &["z", "b", "a"]));
    assert_ne!(values(1, &["a"]), values(2, &["a"]));
}

#[test]
fn asking_again_gives_the_same_parameter() {
    let params = Params::new();
    let vb = params.builder(&Stream::new(1, "init"), DType::F32, &CPU);
    let first = vb.get((2, 3), "w").unwrap();
    let second = vb.get((2, 3), "w").unwrap();
    assert_eq!(first.id(), second.id());
    assert!(first.is_variable());
    assert_eq!(params.count(), 6);
    let error = vb.get((3, 2), "w").unwrap_err().to_string();
    assert!(
        error.contains("`w`") && error.contains("[3, 2]") && error.contains("[2, 3]"),
        "{error}"
    );
}

#[test]
fn setting_checks_everything_before_it_changes_anything() {
    let params = Params::new();
    let vb = params.builder(&Stream::new(1, "init"), DType::F32, &CPU);
    vb.get(2, "a").unwrap();
    vb.get(2, "b").unwrap();
    let ones = Tensor::ones(2, DType::F64, &CPU).unwrap();
    let mut values = BTreeMap::from([("a".to_string(), ones.clone())]);
    let error = params.set(&values).unwrap_err().to_string();
    assert!(error.contains("`b`") && error.contains("`a`"), "{error}");
    assert_eq!(to_vec::<f32>(&params.tensors()["a"]).unwrap(), [0.0, 0.0]);
    values.insert("b".to_string(), ones);
    params.set(&values).unwrap();
    assert_eq!(to_vec::<f32>(&params.tensors()["b"]).unwrap(), [1.0, 1.0]);
}

#[test]
fn frozen_weights_are_no_variables_and_name_what_is_missing() {
    let weight = candle_core::Var::ones((2, 2), DType::F32, &CPU).unwrap();
    let weights = BTreeMap::from([("head.weight".to_string(), weight.as_tensor().clone())]);
    let vb = params::frozen(weights, DType::F32, &CPU);
    let tensor = vb.pp("head").get((2, 2), "weight").unwrap();
    assert!(!tensor.track_op());
    let error = vb.pp("head").get(2, "bias").unwrap_err().to_string();
    assert!(
        error.contains("`head.bias`") && error.contains("`head.weight`"),
        "{error}"
    );
    let error = vb.pp("head").get((2, 3), "weight").unwrap_err().to_string();
    assert!(
        error.contains("[2, 3]") && error.contains("[2, 2]"),
        "{error}"
    );
}

#[test]
fn weights_handed_out_once_are_not_kept() {
    let weight = Tensor::ones((2, 3), DType::F32, &CPU).unwrap();
    let weights = BTreeMap::from([
        ("a.weight".to_string(), weight.clone()),
        ("b.weight".to_string(), weight.clone()),
    ]);
    let vb = params::frozen_once(weights, DType::F64, &CPU);
    // Another shape takes nothing.
    assert!(vb.pp("a").get((3, 2), "weight").is_err());
    assert!(vb.pp("a").contains_tensor("weight"));
    let handed = vb.pp("a").get((2, 3), "weight").unwrap();
    assert_eq!(handed.dtype(), DType::F64);
    assert!(!handed.track_op() && !vb.pp("a").contains_tensor("weight"));
    let error = vb.pp("a").get((2, 3), "weight").unwrap_err().to_string();
    assert!(error.contains("`a.weight`"), "{error}");
    assert!(vb.pp("b").get_unchecked_dtype("weight", DType::F32).is_ok());
    assert!(!vb.pp("b").contains_tensor("weight"));
}

#[test]
fn draws_belong_to_the_sample_and_the_layer() {
    let step = Stream::new(3, "drop path").at(5);
    let all: Vec<u64> = (0..1000).collect();
    let keeps = Pass::train(&step, &all)
        .draws()
        .unwrap()
        .keeps("block", 0.7);
    let kept = keeps.iter().filter(|&&k| k).count();
    assert!((650..750).contains(&kept), "{kept} of 1000 kept at 0.7");
    // A draw is that of the layer's child at the key, all 64 bits of it.
    let drawn = |key: u64| step.named("block").at(key).bernoulli(0.7);
    assert!(all.iter().map(|&key| drawn(key)).eq(keeps.iter().copied()));
    let far: Vec<u64> = all.iter().map(|key| key | 1 << 40).collect();
    let far_keeps = Pass::train(&step, &far).draws().unwrap();
    assert_ne!(far_keeps.keeps("block", 0.7), keeps);
    let some = [999, 3, 500];
    let draws = Pass::train(&step, &some).draws().unwrap();
    assert_eq!(
        draws.keeps("block", 0.7),
        [keeps[999], keeps[3], keeps[500]]
    );
    let other = Pass::train(&step, &all)
        .draws()
        .unwrap()
        .keeps("other", 0.7);
    assert_ne!(other, keeps);
    assert!(Pass::eval().draws().is_none());
}
