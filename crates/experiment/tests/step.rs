//! One step of ours beside the same step of the paper's released code (golden/step/make.py).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use spectralkd_base::progress::Silent;
use spectralkd_experiment::config::{self, Experiment, Source};
use spectralkd_experiment::single_step::{StepOptions, StepReport, step};
use spectralkd_testing::relative;
use spectralkd_trainer::{AdamW, Gradients, Hyper, decays};

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/step")
        .join(file)
}

/// The models of a case, as they stand in an experiment file.
fn models(case: &str) -> (&'static str, &'static str) {
    match case {
        "deit" => (
            r#"family = "deit", img_size = [20, 20], patch_size = 4, in_chans = 3, num_classes = 7, embed_dim = 12, depth = 3, num_heads = 3"#,
            r#"family = "cait", img_size = [20, 20], patch_size = 4, in_chans = 3, num_classes = 7, embed_dim = 16, depth = 4, depth_token_only = 2, num_heads = 2, init_values = 0.1"#,
        ),
        _ => (
            r#"family = "swin", img_size = [32, 32], patch_size = 2, in_chans = 3, num_classes = 5, embed_dim = 4, depths = [1, 1, 1, 1], num_heads = [1, 1, 2, 2], window_size = 4"#,
            r#"family = "swin", img_size = [32, 32], patch_size = 2, in_chans = 3, num_classes = 5, embed_dim = 4, depths = [1, 1, 3, 1], num_heads = [1, 1, 2, 2], window_size = 4"#,
        ),
    }
}

/// The released code's recipe, at its peak rate from the first step on.
fn experiment(case: &str, pairs: &str, weight: f64) -> Experiment {
    let (student, teacher) = models(case);
    let (student_weights, teacher_weights) = (
        golden(&format!("{case}-student.safetensors")),
        golden(&format!("{case}-teacher.safetensors")),
    );
    let text = format!(
        r#"
        title = "a step"
        model = {{ {student}, weights = "{}" }}
        data = {{ dataset = "folder" }}
        teacher = {{ model = {{ {teacher} }}, weights = "{}" }}
        train = {{ epochs = 1, batch_size = 3, lr = 5e-4, weight_decay = 0.05 }}
        distillation = {{ pairs = {pairs} }}
        [[variants]]
        name = "released"
        losses = [
            {{ kind = "cross-entropy", weight = 0.1, smoothing = 0.1 }},
            {{ kind = "kl", weight = 0.9, tau = 1.0 }},
            {{ kind = "spectral", weight = {weight} }},
        ]
        "#,
        student_weights.display(),
        teacher_weights.display(),
    );
    let source = Source::parse(Path::new("step.toml"), text).unwrap();
    config::resolve(&source, None, &[]).unwrap()
}

fn made(case: &str, experiment: &Experiment) -> (StepReport, HashMap<String, Tensor>) {
    let folder = tempfile::tempdir().unwrap();
    let options = StepOptions {
        images: golden(&format!("{case}-images.safetensors")),
        output: folder.path().join("step.safetensors"),
        variant: None,
        epoch: 0,
        device: Device::Cpu,
    };
    let report = step(experiment, &options, &Silent).unwrap();
    let tensors = candle_core::safetensors::load(&options.output, &Device::Cpu).unwrap();
    (report, tensors)
}

#[test]
fn every_number_of_a_step_is_the_released_codes() {
    for (case, pairs, weight) in [
        ("deit", "[[0, 0], [1, 2], [2, 3]]", 0.2),
        ("swin", "[[0, 0], [1, 1], [2, 2], [3, 3]]", 0.05),
    ] {
        let (report, ours) = made(case, &experiment(case, pairs, weight));
        let expected = candle_core::safetensors::load(
            golden(&format!("{case}-expected.safetensors")),
            &Device::Cpu,
        )
        .unwrap();
        assert_eq!(report.clip, 1.0);
        let mut names: Vec<&String> = ours.keys().collect();
        let mut theirs: Vec<&String> = expected.keys().collect();
        names.sort();
        theirs.sort();
        assert_eq!(names, theirs, "{case}");
        let largest = gradient_norm(&expected);
        for (name, tensor) in &ours {
            let theirs = &expected[name];
            match name.split_once('.').unwrap() {
                ("loss", _) => assert!(relative(tensor, theirs) < 2e-6, "{case} {name}"),
                // What softmax cancels (key biases) has no gradient but rounding.
                ("grad", _) if norm(theirs) < 1e-7 * largest => {}
                ("grad", _) => {
                    let error = relative(tensor, theirs);
                    assert!(error < 2e-5, "{case} {name}: {error:e}");
                }
                (_, parameter) => {
                    let gradient = &expected[&format!("grad.{parameter}")];
                    updated(tensor, theirs, gradient, &format!("{case} {name}"));
                }
            }
        }
    }
}

/// AdamW's first step is as long as the rate, in the direction of the gradient's sign: equal, but where the gradient
/// is so small that rounding decides its sign.
fn updated(ours: &Tensor, theirs: &Tensor, gradient: &Tensor, name: &str) {
    let numbers = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (ours, theirs, gradient) = (numbers(ours), numbers(theirs), numbers(gradient));
    let most = gradient.iter().fold(0f32, |most, g| most.max(g.abs()));
    for ((a, b), g) in ours.iter().zip(&theirs).zip(&gradient) {
        let limit = if g.abs() > 1e-3 * most && g.abs() > 1e-6 {
            1e-6
        } else {
            1.01e-3
        };
        assert!((a - b).abs() <= limit, "{name}: {a} for {b}");
    }
}

/// On the released code's own gradients the optimiser gives its weights.
#[test]
fn the_update_is_the_released_codes() {
    for case in ["deit", "swin"] {
        let load = |file: &str| {
            let path = golden(&format!("{case}-{file}.safetensors"));
            candle_core::safetensors::load(path, &Device::Cpu).unwrap()
        };
        let (before, expected) = (load("student"), load("expected"));
        let vars: BTreeMap<String, Var> = (before.iter())
            .map(|(name, tensor)| (name.clone(), Var::from_tensor(tensor).unwrap()))
            .collect();
        let gradients: Gradients = vars
            .keys()
            .map(|name| (name.clone(), expected[&format!("grad.{name}")].clone()))
            .collect();
        let listed = experiment(case, "[[0, 0]]", 0.0);
        let sizes = spectralkd_experiment::data::student_config(&listed.model, 7, 3).unwrap();
        let listed = sizes.info().unwrap().no_weight_decay;
        let hyper = Hyper {
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.05,
        };
        let mut optimiser =
            AdamW::new(&vars, hyper, |name, rank| decays(name, rank, &listed)).unwrap();
        optimiser.step(&gradients, 5e-4, 1.0).unwrap();
        let largest = gradient_norm(&expected);
        for (name, var) in &vars {
            // What is rounding in float64 means nothing in float32.
            if norm(&gradients[name]) > 1e-12 * largest {
                let error = relative(var.as_tensor(), &expected[&format!("after.{name}")]);
                assert!(error < 1e-6, "{case} {name}: {error:e}");
            }
        }
    }
}

/// Images and targets that mean nothing are refused, not computed with.
#[test]
fn what_is_given_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images.safetensors");
    let step = |name: &str, tensor: Tensor| {
        let path = golden("deit-images.safetensors");
        let mut tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        tensors.insert(name.to_owned(), tensor);
        candle_core::safetensors::save(&tensors, &images).unwrap();
        let options = StepOptions {
            images: images.clone(),
            output: folder.path().join("step.safetensors"),
            variant: None,
            epoch: 0,
            device: Device::Cpu,
        };
        let experiment = experiment("deit", "[[0, 0]]", 0.2);
        spectralkd_experiment::single_step::step(&experiment, &options, &Silent)
            .unwrap_err()
            .to_string()
    };
    let full = |value: f32, shape: &[usize]| Tensor::full(value, shape, &Device::Cpu).unwrap();
    for (name, tensor, part) in [
        ("images", full(f32::NAN, &[3, 3, 20, 20]), "NaN"),
        ("images", full(0.0, &[3, 3, 20]), "[B, C, H, W]"),
        ("targets", full(0.5, &[3, 7]), "add up to 1"),
        ("targets", full(-1.0, &[3, 7]), "negative"),
        ("labels", full(1.0, &[3]), "integers"),
    ] {
        let error = step(name, tensor);
        assert!(
            error.contains(part) && !folder.path().join("step.safetensors").exists(),
            "{error}"
        );
    }
}

fn norm(tensor: &Tensor) -> f64 {
    let sum = tensor
        .to_dtype(DType::F64)
        .unwrap()
        .sqr()
        .unwrap()
        .sum_all()
        .unwrap();
    sum.to_scalar::<f64>().unwrap().sqrt()
}

fn gradient_norm(tensors: &HashMap<String, Tensor>) -> f64 {
    let gradients = tensors.iter().filter(|(name, _)| name.starts_with("grad."));
    gradients.map(|(_, g)| norm(g).powi(2)).sum::<f64>().sqrt()
}
