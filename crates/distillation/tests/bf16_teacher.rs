//! A training step guided by a teacher in bf16 beside the same step guided in f32.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_datasets::{
    Batch, BatchRequest, Geometry, ImageSet, Loader, Normalise, Pipeline, Render,
};
use spectralkd_distillation::{
    Columns, FrozenTeacher, Precision, Student, Targets, Teacher, objective_terms,
};
use spectralkd_losses::kinds::{CrossEntropy, Kl, Spectral};
use spectralkd_losses::{Loss, Pairs};
use spectralkd_models::{CaitConfig, DeitConfig, ModelConfig};
use spectralkd_nn::Params;
use spectralkd_trainer::{Step, backward};

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

/// Four grey images as they are, in levels of -1 to 1.
fn batch() -> Batch {
    let mut stream = Stream::new(6, "images");
    let pixels = (0..4 * 28 * 28).map(|_| stream.below(256) as u8).collect();
    let classes = (0..10).map(|class| class.to_string()).collect();
    let set = ImageSet::new([1, 28, 28], pixels, vec![3, 1, 4, 1], classes).unwrap();
    let pipeline = Pipeline::new([28, 28], 1, Geometry::AsIs);
    let loader = Loader::new(Arc::new(set), Arc::new(pipeline), 0, 0).unwrap();
    loader.batch(&BatchRequest::plain(&[0, 1, 2, 3])).unwrap()
}

fn render() -> Render {
    let normalise = Normalise {
        mean: vec![0.5],
        std: vec![0.5],
    };
    Render::new([28, 28], 1, normalise).unwrap()
}

#[test]
fn the_losses_of_a_step_are_those_of_an_f32_teacher_to_a_percent() {
    let batch = batch();
    let student = Student::new(&student(), None, render(), 7).unwrap();
    let losses = [
        Loss::new(CrossEntropy::default(), 0.1),
        Loss::new(Kl::default(), 0.9),
        Loss::new(
            Spectral {
                pairs: Pairs::Listed(vec![(0, 0), (1, 1), (2, 4), (3, 5)]),
                ..Spectral::default()
            },
            0.2,
        ),
    ];
    let frozen = |precision| {
        let tensors = drawn(&teacher());
        FrozenTeacher::new(&teacher(), tensors, precision, render(), Columns::Same).unwrap()
    };

    // The terms of the loss by name, and the gradients of all parameters.
    let step = |teacher: &FrozenTeacher| {
        let shapes = Some(teacher.shapes());
        let objectives = student.objectives(&losses, shapes, &|_| Ok(1.0)).unwrap();
        let taught = teacher
            .outputs(&batch, &objectives.needs_at(0).teacher)
            .unwrap();
        let labels = batch.labels_tensor(&CPU).unwrap();
        let targets = Targets {
            labels: labels.as_ref(),
            soft: None,
            keys: &batch.draw_keys(),
        };
        let images = student.render.render(&batch, &CPU).unwrap();
        let first = Step {
            epoch: 0,
            step_in_epoch: 0,
            global: 0,
        };
        let parts =
            objective_terms(&student, &images, &taught, targets, &objectives, (7, first)).unwrap();
        let (gradients, _) = backward(&parts.total, &student.trainable()).unwrap();
        let gradients: Vec<_> = (gradients.values())
            .map(|gradient| gradient.flatten_all().unwrap())
            .collect();
        let terms = parts.parts.into_iter();
        let terms: BTreeMap<_, f32> = terms
            .map(|(name, term)| (name, term.to_scalar().unwrap()))
            .collect();
        (terms, Tensor::cat(&gradients, 0).unwrap())
    };
    let (want, want_gradient) = step(&frozen(Precision::F32));
    let (got, got_gradient) = step(&frozen(Precision::Bf16));

    assert_eq!(
        got["cross-entropy"], want["cross-entropy"],
        "the student's own"
    );
    for term in ["kl", "spectral"] {
        let off = (got[term] / want[term] - 1.0).abs();
        assert!(off < 1e-2, "{term}: {} for {}", got[term], want[term]);
        assert!(off > 0.0, "{term}: both teachers are f32");
    }
    let norm = |x: &Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>();
    let off = (got_gradient - &want_gradient).unwrap();
    let off = (norm(&off).unwrap() / norm(&want_gradient).unwrap()).sqrt();
    assert!(off < 2e-2, "the gradient is off by {off:e}");
}
