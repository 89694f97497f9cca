//! A step of each family with every loss, in the kernels' form and in the composed one.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_datasets::{Normalise, Render};
use spectralkd_distillation::{Student, Targets, objective_terms, outputs, shapes};
use spectralkd_losses::Loss;
use spectralkd_models::{ModelConfig, VisionModel};
use spectralkd_nn::{Builder, Form, Pass};
use spectralkd_testing::{assert_near, relative, scalar};
use spectralkd_trainer::{Step, backward};

const CPU: Device = Device::Cpu;
const SIZE: [usize; 2] = [16, 24];

fn config(toml: &str) -> ModelConfig {
    toml::from_str(&format!(
        "img_size = {SIZE:?}\nin_chans = 3\nnum_classes = 7\ndrop_path = 0.3\n{toml}"
    ))
    .unwrap()
}

/// Students of all families, whose maps are 4 x 6 but for Swin's second stage.
fn students() -> [ModelConfig; 3] {
    [
        "family = \"deit\"\npatch_size = 4\nembed_dim = 12\ndepth = 3\nnum_heads = 3\ndistilled = true",
        "family = \"cait\"\npatch_size = 4\nembed_dim = 12\ndepth = 3\ndepth_token_only = 1\nnum_heads = 3\ninit_values = 0.4",
        "family = \"swin\"\npatch_size = 4\nembed_dim = 12\ndepths = [2, 1]\nnum_heads = [3, 3]\nwindow_size = 4",
    ]
    .map(config)
}

fn teacher() -> ModelConfig {
    config(
        "family = \"cait\"\npatch_size = 4\nembed_dim = 24\ndepth = 4\ndepth_token_only = 1\nnum_heads = 4\ninit_values = 0.4",
    )
}

const LOSSES: &str = r#"
losses = [
    { kind = "cross-entropy", weight = 0.1, smoothing = 0.1 },
    { kind = "kl", weight = 0.9, tau = 2.0 },
    { kind = "hard", weight = 0.2 },
    { kind = "spectral", weight = 2.0, pairs = PAIRS, grid = "spectral-resize" },
    { kind = "mse", weight = 0.3, pairs = PAIRS, width = "project", grid = "spectral-resize" },
    { kind = "spectral-band", weight = 0.5, band = "low", cutoff = 0.2, pairs = PAIRS, grid = "spectral-resize" },
    { kind = "fitnets", weight = 0.4, pairs = PAIRS, grid = "spectral-resize" },
    { kind = "manifold", weight = 0.2, pairs = PAIRS, grid = "spectral-resize" },
    { kind = "rkd", weight = 0.2, pairs = PAIRS },
    { kind = "dist", weight = 0.3 },
]
"#;

fn losses(pairs: &str) -> Vec<Loss> {
    #[derive(serde::Deserialize)]
    struct File {
        losses: Vec<Loss>,
    }
    let file: File = toml::from_str(&LOSSES.replace("PAIRS", pairs)).unwrap();
    file.losses
}

fn render() -> Render {
    let (mean, std) = (vec![0.0; 3], vec![1.0; 3]);
    Render::new(SIZE, 3, Normalise { mean, std }).unwrap()
}

/// A model with drawn weights, linear ones of an order at which branches matter.
fn model(config: &ModelConfig, form: Form, seed: u64) -> Student {
    let build = |vb| -> spectralkd_distillation::Result<Box<dyn VisionModel>> {
        Ok(config.build(Builder::from(vb).in_form(form))?)
    };
    let student = Student::made(render(), seed, build).unwrap();
    for (name, var) in student.trainable() {
        if let &[_, inputs] = var.dims()
            && name.ends_with(".weight")
        {
            let larger = (var.as_tensor() * (50.0 / (inputs as f64).sqrt())).unwrap();
            var.set(&larger.detach()).unwrap();
        }
    }
    student
}

fn drawn(name: &str, shape: &[usize]) -> Tensor {
    let mut stream = Stream::new(9, name);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| stream.normal() as f32).collect();
    Tensor::from_vec(values, shape, &CPU).unwrap()
}

type Named = BTreeMap<String, Tensor>;

/// The terms of one step and all gradients, by name.
fn step(config: &ModelConfig, form: Form, pairs: &str) -> (Named, Named) {
    let (student, teacher) = (model(config, form, 7), model(&teacher(), form, 8));
    let theirs = shapes(teacher.model.info());
    let losses = losses(pairs);
    let objectives = student
        .objectives(&losses, Some(&theirs), &|_| Ok(1.0))
        .unwrap();
    let images = drawn("images", &[6, 3, SIZE[0], SIZE[1]]);
    let labels = Tensor::new(&[3u32, 1, 4, 1, 5, 6], &CPU).unwrap();
    let needs = objectives.needs_at(0).teacher;
    let taught = outputs(teacher.model.as_ref(), &images, &needs, &Pass::eval()).unwrap();
    let targets = Targets {
        labels: Some(&labels),
        soft: None,
        keys: &[0, 1, 2, 3, 4, 5],
    };
    let first = Step {
        epoch: 0,
        step_in_epoch: 0,
        global: 0,
    };
    let parts =
        objective_terms(&student, &images, &taught, targets, &objectives, (7, first)).unwrap();
    let (mut gradients, _) = backward(&parts.total, &student.trainable()).unwrap();
    for (name, gradient) in &mut gradients {
        let rows = gradient.dims()[0];
        // What softmax cancels is rounding alone.
        if let Some(exempt) = config.zero_gradient(name) {
            let kept = [(0, exempt.start), (exempt.end, rows)];
            let kept = kept.iter().filter(|(start, end)| start < end);
            let parts: Vec<Tensor> = kept
                .map(|&(start, end)| gradient.narrow(0, start, end - start).unwrap())
                .collect();
            *gradient = match parts.is_empty() {
                true => gradient.zeros_like().unwrap(),
                false => Tensor::cat(&parts, 0).unwrap(),
            };
        }
    }
    (parts.parts.into_iter().collect(), gradients)
}

#[test]
fn a_step_with_every_loss_is_the_same_in_both_forms() {
    for config in students() {
        let family = config.family();
        let pairs = match family {
            "swin" => "[[0, 1], [1, 3]]",
            _ => "[[0, 0], [2, 3]]",
        };
        let (terms, gradients) = step(&config, Form::Kernels, pairs);
        let (composed_terms, composed) = step(&config, Form::Composed, pairs);
        assert!(terms.len() >= 10 && terms.keys().eq(composed_terms.keys()));
        for (name, term) in &terms {
            let what = format!("{family}: {name}");
            assert_near(scalar(&composed_terms[name]), scalar(term), 1e-5, &what);
        }
        assert!(gradients.keys().eq(composed.keys()));
        for (name, gradient) in &gradients {
            let error = relative(&composed[name], gradient);
            assert!(
                error < 1e-4,
                "{family}: gradient of {name} off by {error:e}"
            );
        }
    }
}
