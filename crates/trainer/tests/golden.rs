//! The optimiser, the schedule, the moving average and the decay groups against PyTorch and timm.
//! The values, and how they were made: `tests/golden/make.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use spectralkd_testing::flat;
use spectralkd_trainer::{AdamW, Cadence, Ema, Hyper, Schedule, Step, TrainConfig, decays};

fn load<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

type Values = BTreeMap<String, Vec<f64>>;

#[derive(Deserialize)]
struct Optimisers {
    shapes: BTreeMap<String, Vec<usize>>,
    decay: f64,
    ema_decay: f64,
    f32: Run,
    f64: Run,
    f64_low_beta: Run,
    f64_clipped: Run,
}

#[derive(Deserialize)]
struct Run {
    betas: [f64; 2],
    eps: f64,
    clip: Option<f64>,
    norms: Vec<f64>,
    lr: Vec<f64>,
    start: Values,
    gradients: Vec<Values>,
    end: Values,
    ema: Values,
}

/// Trains as the script did and compares the weights and their average, relative to 1 + |value|.
fn replay(golden: &Optimisers, run: &Run, dtype: DType, tolerance: f64) {
    let tensor = |name: &String, data: &Vec<f64>| {
        Tensor::from_slice(data, golden.shapes[name].as_slice(), &Device::Cpu)
            .and_then(|t| t.to_dtype(dtype))
            .unwrap()
    };
    let vars: BTreeMap<String, Var> = run
        .start
        .iter()
        .map(|(name, data)| (name.clone(), Var::from_tensor(&tensor(name, data)).unwrap()))
        .collect();
    let listed = BTreeSet::from(["pos_embed".to_string()]);
    let hyper = Hyper {
        betas: run.betas,
        eps: run.eps,
        weight_decay: golden.decay,
    };
    let mut adamw = AdamW::new(&vars, hyper, |name, rank| decays(name, rank, &listed)).unwrap();
    let mut ema = Ema::new(&vars, golden.ema_decay).unwrap();
    for (i, (lr, values)) in run.lr.iter().zip(&run.gradients).enumerate() {
        let gradients = values
            .iter()
            .map(|(n, data)| (n.clone(), tensor(n, data)))
            .collect();
        // The trainer's clipping factor, at PyTorch's norm (whose own test is in tests/run.rs).
        let scale = run
            .clip
            .map_or(1.0, |clip| (clip / (run.norms[i] + 1e-6)).min(1.0));
        adamw.step(&gradients, *lr, scale).unwrap();
        ema.update().unwrap();
    }
    let compare = |found: &Tensor, expected: &[f64], what: &str| {
        for (a, b) in flat(found).iter().zip(expected) {
            assert!(
                (a - b).abs() <= tolerance * (1.0 + b.abs()),
                "{what}: {a} {b}"
            );
        }
    };
    for (name, var) in &vars {
        compare(var, &run.end[name], name);
        compare(
            &ema.tensors()[name],
            &run.ema[name],
            &format!("average of {name}"),
        );
        // The comparison would mean little if nothing had moved.
        let moved = run.start[name]
            .iter()
            .zip(&run.end[name])
            .any(|(a, b)| (a - b).abs() > 1e-2);
        assert!(moved, "{name}");
    }
}

#[test]
fn adamw_and_average_are_those_of_torch_and_timm() {
    let golden: Optimisers = load("optimiser.json");
    replay(&golden, &golden.f64, DType::F64, 1e-14);
    replay(&golden, &golden.f64_low_beta, DType::F64, 1e-14);
    replay(&golden, &golden.f64_clipped, DType::F64, 1e-13);
    replay(&golden, &golden.f32, DType::F32, 3e-7);
}

#[derive(Deserialize)]
struct Curve {
    cadence: Cadence,
    epochs: u64,
    warmup_epochs: u64,
    lr: f64,
    min_lr: f64,
    warmup_lr: f64,
    steps_per_epoch: u64,
    /// At the first and last step of each epoch.
    rates: Vec<[f64; 2]>,
}

#[test]
fn the_schedule_is_that_of_timm() {
    for curve in load::<Vec<Curve>>("schedule.json") {
        let config = TrainConfig {
            schedule: curve.cadence,
            epochs: curve.epochs,
            warmup_epochs: curve.warmup_epochs,
            lr: curve.lr,
            min_lr: curve.min_lr,
            warmup_lr: curve.warmup_lr,
            ..TrainConfig::default()
        };
        config.validate().unwrap();
        let steps = curve.steps_per_epoch;
        let schedule = Schedule::new(&config, steps);
        assert_eq!(curve.rates.len() as u64, curve.epochs);
        for (epoch, rates) in (0..).zip(&curve.rates) {
            for (step_in_epoch, expected) in [0, steps - 1].into_iter().zip(rates) {
                let step = Step {
                    epoch,
                    step_in_epoch,
                    global: epoch * steps + step_in_epoch,
                };
                let found = schedule.at(step);
                assert!(
                    (found - expected).abs() <= 1e-15 * expected.abs() + 1e-19,
                    "{:?}, {step}: {found:e} {expected:e}",
                    curve.cadence
                );
            }
        }
    }
}

#[derive(Deserialize)]
struct Groups {
    no_weight_decay: BTreeSet<String>,
    /// Name, number of dimensions, whether it decays.
    parameters: Vec<(String, usize, bool)>,
}

#[test]
fn the_decay_groups_are_those_of_timm() {
    for groups in load::<Vec<Groups>>("groups.json") {
        assert!(groups.parameters.len() > 15);
        for (name, rank, expected) in &groups.parameters {
            assert_eq!(
                decays(name, *rank, &groups.no_weight_decay),
                *expected,
                "{name}"
            );
        }
    }
}
