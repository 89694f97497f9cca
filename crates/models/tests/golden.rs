//! Tiny models against timm: names, logits, taps, gradients.

mod common;

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use common::{Golden, all_golden_files, assert_gradient, evaluate, rms, trainable};
use spectralkd_models::{Output, Taps, frozen};
use spectralkd_nn::Pass;
use spectralkd_testing::{flat, relative};

#[test]
fn parameter_names_and_shapes_are_those_of_timm() {
    for golden in all_golden_files() {
        let timm: BTreeMap<_, _> = golden
            .weights
            .iter()
            .map(|(name, value)| (name.clone(), value.dims().to_vec()))
            .collect();
        assert_eq!(golden.config.parameters().unwrap(), timm);
    }
}

#[test]
fn logits_and_taps_are_those_of_timm() {
    for golden in all_golden_files() {
        let model = frozen(&golden.config, &golden.weights, &Device::Cpu).unwrap();
        golden.compare(&evaluate(&*model, &golden.images)).unwrap();
    }
}

#[test]
fn taps_come_in_order_once_and_only_on_request() {
    for golden in all_golden_files() {
        let model = frozen(&golden.config, &golden.weights, &Device::Cpu).unwrap();
        let forward = |taps: Taps| model.forward(&golden.images, &taps, &Pass::eval());
        let indices = |output: &Output| output.features.iter().map(|(i, _)| *i).collect::<Vec<_>>();
        let all = evaluate(&*model, &golden.images);
        let last = golden.taps() - 1;
        assert!(indices(&all).into_iter().eq(0..=last));
        for (tap, map) in &all.features {
            assert_eq!(map.dims()[1..], model.info().taps[*tap]);
        }

        let end = last as isize;
        for (taps, expected) in [
            (Taps::List(vec![end, 0, end]), vec![0, last]),
            (Taps::List(vec![-1, end, -1 - end]), vec![0, last]),
            (Taps::Last(2), vec![last - 1, last]),
            (Taps::None, vec![]),
        ] {
            let some = forward(taps).unwrap();
            assert_eq!(indices(&some), expected);
            for (tap, map) in &some.features {
                assert_eq!(flat(map), flat(&all.features[*tap].1));
            }
            assert_eq!(flat(&some.logits), flat(&all.logits), "{expected:?}");
        }

        for taps in [vec![end + 1], vec![0, -2 - end]] {
            let error = forward(Taps::List(taps)).unwrap_err().to_string();
            let words = format!("taps are 0 to {last}, or -{} to -1", last + 1);
            assert!(error.contains(&words), "{error}");
        }
        let error = forward(Taps::Last(last + 2)).unwrap_err().to_string();
        assert!(
            error.contains(&format!("it can be 1 to {}", last + 1)),
            "{error}"
        );
    }
}

/// What the logits do not read need not be computed, and changes neither them nor their gradients.
#[test]
fn logits_and_their_gradients_do_not_depend_on_the_taps() {
    for golden in all_golden_files() {
        let (vars, model) = trainable(&golden.config, &golden.weights, DType::F64);
        let images = golden.images.to_dtype(DType::F64).unwrap();
        let [all, none] = [Taps::All, Taps::None].map(|taps| {
            let logits = model.forward(&images, &taps, &Pass::eval()).unwrap().logits;
            let gradients = logits.sqr().unwrap().sum_all().unwrap().backward();
            (logits, gradients.unwrap())
        });
        assert!(relative(&none.0, &all.0) < 1e-12);
        for (name, var) in &vars {
            let [none, all] = [&none.1, &all.1].map(|gradients| {
                let gradient = gradients.get(var);
                gradient.unwrap_or_else(|| panic!("{name} has no gradient"))
            });
            if golden.config.zero_gradient(name).is_none() {
                let error = relative(none, all);
                assert!(error < 1e-12, "{name}: off by {error:.1e}");
            }
        }
    }
}

#[test]
fn images_of_another_shape_are_refused() {
    let [golden, ..] = all_golden_files();
    let model = frozen(&golden.config, &golden.weights, &Device::Cpu).unwrap();
    let refused = |shape: &[usize], dtype| {
        let images = Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
        let output = model.forward(&images, &Taps::None, &Pass::eval());
        output.unwrap_err().to_string()
    };
    for shape in [
        &[2, 3, 20, 12][..],
        &[2, 1, 12, 20],
        &[3, 12, 20],
        &[0, 3, 12, 20],
        &[],
    ] {
        let error = refused(shape, DType::F32);
        let words = format!("images of shape {shape:?} given to a model for [batch, 3, 12, 20]");
        assert!(error.contains(&words), "{error}");
    }
    refused(&[2, 3, 12, 20], DType::F64);
}

/// A test that a wrong model passes is none: without any one of its tensors the model must fail it.
#[test]
fn every_tensor_matters() {
    for golden in all_golden_files() {
        for (name, value) in &golden.weights {
            let exempt = golden.config.zero_gradient(name).unwrap_or(0..0);
            let rows = value.dim(0).unwrap();
            let parts = [0..exempt.start, exempt.end..rows];
            for part in parts.into_iter().filter(|part| !part.is_empty()) {
                let error = compare_without(&golden, name, part.clone());
                assert!(error.is_err(), "rows {part:?} of {name} do not matter");
            }
            if !exempt.is_empty() {
                compare_without(&golden, name, exempt).unwrap();
            }
        }
    }
}

/// Compares the model whose weight `name` has been zeroed in these rows of its first axis.
fn compare_without(
    golden: &Golden,
    name: &str,
    rows: std::ops::Range<usize>,
) -> Result<(), String> {
    let value = &golden.weights[name];
    let mask: Vec<f32> = (0..value.dim(0).unwrap())
        .map(|row| if rows.contains(&row) { 0.0 } else { 1.0 })
        .collect();
    let mut shape = vec![1; value.rank()];
    shape[0] = mask.len();
    let mask = Tensor::from_vec(mask, shape, &Device::Cpu).unwrap();

    let mut weights = golden.weights.clone();
    weights.insert(name.to_string(), value.broadcast_mul(&mask).unwrap());
    let model = frozen(&golden.config, &weights, &Device::Cpu).unwrap();
    golden.compare(&evaluate(&*model, &golden.images))
}

#[test]
fn gradients_are_those_of_timm() {
    for golden in all_golden_files() {
        let (vars, model) = trainable(&golden.config, &golden.weights, DType::F32);
        let images = Var::from_tensor(&golden.images).unwrap();
        let scalar = golden.scalar(&evaluate(&*model, &images));
        let error = relative(&scalar, golden.get("scalar"));
        assert!(error < 1e-4, "the scalar is off by {error:.1e}");
        let gradients = scalar.backward().unwrap();

        let expected = |name: &str| golden.get(&format!("gradient.{name}"));
        let largest = golden
            .weights
            .keys()
            .map(|name| rms(&flat(expected(name))))
            .fold(0.0, f64::max);
        let mut pairs: Vec<(&str, &Var)> = vars
            .iter()
            .map(|(name, var)| (name.as_str(), var))
            .collect();
        pairs.push(("images", &images));
        for (name, var) in pairs {
            let found = gradients
                .get(var)
                .unwrap_or_else(|| panic!("{name} has no gradient"));
            assert_eq!(found.dims(), var.dims());
            let exempt = golden.config.zero_gradient(name).unwrap_or(0..0);
            assert_gradient(found, expected(name), exempt, largest, name);
        }
    }
}
