//! Full-size models against timm, on weights and images that are a formula (`golden/full_size.py`).

mod common;

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use common::{evaluate, fnv1a, rms, trainable};
use spectralkd_models::{Output, Taps, frozen, registry};
use spectralkd_nn::Pass;
use spectralkd_testing::{flat, relative};

const CPU: Device = Device::Cpu;

/// Word number `i` of the tensor `name`: FNV-1a of the name, then splitmix64.
fn word(name: u64, i: u64) -> u64 {
    let z = name.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// The tensor of a name and a shape, uniform around `centre(i)`, at most `spread` away.
fn numbers(name: &str, shape: &[usize], centre: impl Fn(usize) -> f64, spread: f64) -> Tensor {
    let hash = fnv1a(name.as_bytes());
    let value = |i: usize| {
        let u = (word(hash, i as u64) >> 40) as f64 / f64::from(1 << 23) - 1.0;
        (centre(i) + spread * u) as f32
    };
    let count: usize = shape.iter().product();
    Tensor::from_vec((0..count).map(value).collect(), shape, &CPU).unwrap()
}

/// A weight, by the laws of the golden script.
fn weight(name: &str, shape: &[usize]) -> Tensor {
    let mixes_heads = name.contains(".proj_l.") || name.contains(".proj_w.");
    let (centre, spread) = if name.ends_with(".proj_w.bias") {
        (0.0, 0.005)
    } else if name.ends_with("bias") {
        (0.0, 0.1)
    } else if name.contains("norm") {
        (1.0, 0.2)
    } else if name.contains("gamma_") {
        (0.5, 0.1)
    } else if mixes_heads {
        (1.0, 0.1)
    } else if name.ends_with("relative_position_bias_table") {
        (0.0, 1.0)
    } else if name.ends_with("pos_embed") || name.ends_with("_token") {
        (0.0, 0.3)
    } else {
        let fan_in: usize = shape[1..].iter().product();
        (0.0, 1.5 / (fan_in as f64).sqrt())
    };
    let identity = mixes_heads && name.ends_with("weight");
    let off_diagonal = |i: usize| identity && !i.is_multiple_of(shape[0] + 1);
    numbers(
        name,
        shape,
        |i| if off_diagonal(i) { 0.0 } else { centre },
        spread,
    )
}

/// The same scalar of logits and taps as in the golden script.
fn scalar(output: &Output) -> Tensor {
    let term = |value: &Tensor, name: &str| {
        let cotangent = numbers(&format!("cotangent.{name}"), value.dims(), |_| 0.0, 1.0);
        (value * cotangent).unwrap().sum_all().unwrap()
    };
    let logits = term(&output.logits, "logits");
    output.features.iter().fold(logits, |sum, (i, tap)| {
        (sum + term(tap, &format!("taps.{i}"))).unwrap()
    })
}

/// What the golden file has of a tensor: the root of its mean square, and values at some places.
struct Summary {
    rms: f64,
    samples: Vec<f64>,
}

impl Summary {
    fn read(rows: &Tensor) -> Vec<Self> {
        let rows = (0..rows.dim(0).unwrap()).map(|row| flat(&rows.get(row).unwrap()));
        rows.map(|row| Self {
            rms: row[0],
            samples: row[1..].to_vec(),
        })
        .collect()
    }

    /// How far `found` is off, in units of this tensor's RMS: the RMS of it all, and its samples' outside of
    /// the range `exempt`.
    fn error(&self, name: &str, found: &[f64], exempt: std::ops::Range<usize>) -> f64 {
        let hash = fnv1a(format!("places.{name}").as_bytes());
        let places = (0..).map(|k| (word(hash, k) % found.len() as u64) as usize);
        let differences: Vec<f64> = places
            .zip(&self.samples)
            .filter(|(place, _)| !exempt.contains(place))
            .map(|(place, sample)| found[place] - sample)
            .collect();
        assert!(!differences.is_empty(), "{name} has no sample");
        // NaN must not be lost, as `max` would lose it.
        (rms(found) / self.rms - 1.0).abs() + rms(&differences) / self.rms
    }
}

/// Logits and taps to 1e-4, gradients to 1e-3, of their RMS.
fn compare(name: &str) {
    let config = registry::find(name).unwrap().config;
    let file = common::path(&format!("{name}.safetensors"));
    let golden = candle_core::safetensors::load(file, &CPU).unwrap();
    let shapes = config.parameters().unwrap();
    let weights: BTreeMap<String, Tensor> = shapes
        .iter()
        .map(|(key, shape)| (key.clone(), weight(key, shape)))
        .collect();
    let (vars, model) = trainable(&config, &weights, DType::F32);

    let [height, width] = config.img_size();
    let images = numbers("images", &[2, 3, height, width], |_| 0.0, 3f64.sqrt());
    let output = evaluate(&*model, &images);
    // A teacher's weights take another path through the kernels than a student's.
    let teacher = frozen(&config, &weights, &CPU).unwrap();
    let taught = teacher
        .forward(&images, &Taps::None, &Pass::eval())
        .unwrap();
    for logits in [&output.logits, &taught.logits] {
        let error = relative(logits, &golden["logits"]);
        assert!(error < 1e-4, "{name}: logits are off by {error:.1e}");
    }
    let taps = Summary::read(&golden["taps"]);
    assert_eq!(taps.len(), output.features.len());
    for ((i, tap), expected) in output.features.iter().zip(&taps) {
        let error = expected.error(&format!("taps.{i}"), &flat(tap), 0..0);
        assert!(error < 1e-4, "{name}: tap {i} is off by {error:.1e}");
    }

    let gradients = scalar(&output).backward().unwrap();
    let expected = Summary::read(&golden["gradients"]);
    assert_eq!(expected.len(), vars.len());
    let largest = expected.iter().map(|e| e.rms).fold(0.0, f64::max);
    let mut failures = Vec::new();
    for ((key, var), expected) in vars.iter().zip(&expected) {
        let found = gradients.get(var).map(flat);
        let found = found.unwrap_or_else(|| panic!("{name}: {key} has no gradient"));
        let exempt = config.zero_gradient(key).unwrap_or(0..0);
        if !exempt.is_empty() {
            let noise = rms(&found[exempt.clone()]) / largest;
            assert!(
                noise < 1e-3,
                "{name}: {key} has a gradient, {noise:.1e} of the largest"
            );
        }
        if exempt.len() < found.len() {
            let error = expected.error(key, &found, exempt);
            if error.is_nan() || error > 1e-3 {
                failures.push(format!("{key} by {error:.1e}"));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{name}: gradients are off: {}",
        failures.join(", ")
    );
}

#[test]
fn deit_is_that_of_timm() {
    compare("deit_tiny_patch16_224");
}

#[test]
fn distilled_deit_is_that_of_timm() {
    compare("deit_tiny_distilled_patch16_224");
}

#[test]
fn cait_is_that_of_timm() {
    compare("cait_xxs24_224");
}

#[test]
fn swin_is_that_of_timm() {
    compare("swin_tiny_patch4_window7_224");
}

/// The formula, at numbers that the golden script gives.
#[test]
fn the_formula_is_that_of_the_script() {
    for (name, shape, at, expected) in [
        (
            "blocks.0.attn.qkv.weight",
            &[576, 192][..],
            0,
            0.050588443875312805,
        ),
        ("norm.weight", &[192], 191, 0.9539820551872253),
        (
            "blocks.3.attn.proj_l.weight",
            &[4, 4],
            5,
            1.0233685970306396,
        ),
    ] {
        assert_eq!(flat(&weight(name, shape))[at], expected, "{name}");
    }
}
