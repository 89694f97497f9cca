//! Ranks that share the batches of a distillation come to what one rank comes to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::progress::Silent;
use spectralkd_base::random::Stream;
use spectralkd_datasets::{
    Geometry, ImageSet, Loader, Mix, Normalise, Pipeline, Render, Sampler, SamplerOptions,
};
use spectralkd_distillation::{
    Columns, Distillation, Feed, FrozenTeacher, Precision, Student, Teacher,
};
use spectralkd_losses::kinds::{CrossEntropy, Dist, FitNets, Kl, Manifold, Rkd, Spectral};
use spectralkd_losses::{Loss, Pairs};
use spectralkd_models::{DeitConfig, ModelConfig};
use spectralkd_nn::Params;
use spectralkd_testing::flat;
use spectralkd_trainer::events::{self, Event, StepRecord};
use spectralkd_trainer::{
    Cadence, Error, Group, Member, Outcome, Result, TrainConfig, Trainer, ranks,
};

const CPU: Device = Device::Cpu;
/// Two are left over by every epoch.
const IMAGES: usize = 130;
const BATCH: usize = 32;

fn deit(embed_dim: usize, depth: usize, drop_path: f64) -> ModelConfig {
    ModelConfig::Deit(DeitConfig {
        img_size: [12, 12],
        patch_size: 4,
        in_chans: 1,
        num_classes: 4,
        embed_dim,
        depth,
        num_heads: 2,
        mlp_ratio: 2.0,
        drop_path,
        distilled: false,
    })
}

fn render() -> Render {
    let normalise = Normalise {
        mean: vec![0.5],
        std: vec![0.5],
    };
    Render::new([12, 12], 1, normalise).unwrap()
}

fn teacher() -> Arc<dyn Teacher> {
    let params = Params::new();
    let config = deit(24, 4, 0.0);
    let vb = params.builder(&Stream::new(3, "teacher"), DType::F32, &CPU);
    config.build(vb).unwrap();
    let weights = params.tensors();
    let teacher =
        FrozenTeacher::new(&config, weights, Precision::F32, render(), Columns::Same).unwrap();
    Arc::new(teacher)
}

/// Means over images, one of them with a map of its own that is trained.
fn means() -> Vec<Loss> {
    let listed = || Pairs::Listed(vec![(0, 0), (1, 3)]);
    let spectral = Spectral {
        pairs: listed(),
        ..Spectral::default()
    };
    let fitnets = FitNets {
        pairs: listed(),
        ..FitNets::default()
    };
    vec![
        Loss::new(CrossEntropy::default(), 0.5),
        Loss::new(Kl::default(), 0.5),
        Loss::new(spectral, 0.2),
        Loss::new(fitnets, 0.3),
    ]
}

/// The task as one rank builds it: mirrored views, and drop path, which is drawn for every view.
fn task(losses: &[Loss], mix: Option<Mix>, batch: usize) -> Distillation {
    let teacher = teacher();
    let student = Student::new(&deit(16, 2, 0.2), None, render(), 7).unwrap();
    let objectives = student
        .objectives(losses, Some(teacher.shapes()), &|_| Ok(1.0))
        .unwrap();
    let mut stream = Stream::new(6, "images");
    let levels = (0..IMAGES * 144).map(|_| stream.below(256) as u8).collect();
    let labels = (0..IMAGES).map(|i| (i % 4) as u32).collect();
    let classes = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let images = ImageSet::new([1, 12, 12], levels, labels, classes).unwrap();
    let pipeline = Pipeline {
        flip: 0.5,
        mix,
        ..Pipeline::new([12, 12], 1, Geometry::AsIs)
    };
    let loader = Loader::new(Arc::new(images), Arc::new(pipeline), 1, 2).unwrap();
    let sampler = Sampler::shuffled(IMAGES, batch, 7, 0, 1).unwrap();
    let feed = Feed::new(loader, sampler);
    Distillation::new(student, Some(teacher), objectives, feed, 7)
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 1,
        batch_size: BATCH,
        lr: 1e-3,
        warmup_epochs: 0,
        schedule: Cadence::Step,
        clip_grad: Some(1.0),
        ema: Some(0.9),
        log_every_steps: 1,
        ..TrainConfig::default()
    }
}

/// Trains an epoch; the outcome of rank 0.
fn train(world: usize, folder: &Path, losses: &[Loss], mix: Option<Mix>) -> Result<Outcome> {
    let work = |group: &mut Member| {
        let mut task = task(losses, mix, BATCH);
        let config = config();
        let trainer = Trainer::new(&config, folder);
        trainer.group(group).run(&mut task, &Silent)
    };
    Ok(ranks(world, 1, work)?.swap_remove(0))
}

fn steps(folder: &Path) -> Vec<StepRecord> {
    let events = events::read(&folder.join(events::FILE)).unwrap();
    let steps = events.into_iter().filter_map(|event| match event {
        Event::Step(record) => Some(record),
        _ => None,
    });
    steps.collect()
}

/// The tensor that differs most, and how far, relative to its norm. The keys' biases are left out: softmax cancels
/// them, their gradients are rounding alone, and Adam divides those by their own size.
fn apart<'a>(
    one: &'a BTreeMap<String, Tensor>,
    other: &BTreeMap<String, Tensor>,
) -> (&'a str, f64) {
    let model = deit(16, 2, 0.2);
    let of = |name: &String| {
        let keys = model.zero_gradient(name).unwrap_or(0..0);
        let (a, b) = (flat(&one[name]), flat(&other[name]));
        let pairs = || {
            (0..a.len())
                .filter(|i| !keys.contains(i))
                .map(|i| (a[i], b[i]))
        };
        let norm: f64 = pairs().map(|(a, _)| a * a).sum();
        let off: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
        (off / norm).sqrt()
    };
    assert!(one.keys().eq(other.keys()));
    let far = one.keys().map(|name| (name.as_str(), of(name)));
    far.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

#[test]
fn two_ranks_of_sixteen_are_one_of_thirty_two() {
    let (whole, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = train(1, whole.path(), &means(), None).unwrap();
    let two = train(2, shared.path(), &means(), None).unwrap();
    let (first, second) = (steps(whole.path()), steps(shared.path()));
    assert_eq!((first.len(), second.len()), (4, 4));
    for (a, b) in first.iter().zip(&second) {
        assert_eq!((a.samples, b.samples, a.lr), (32, 32, b.lr));
        assert!(a.parts.keys().eq(b.parts.keys()) && a.parts.len() > 3);
        let numbers = |r: &StepRecord| -> Vec<f64> {
            let own = [r.loss, r.grad_norm];
            own.into_iter().chain(r.parts.values().copied()).collect()
        };
        for (x, y) in numbers(a).into_iter().zip(numbers(b)) {
            // A KL divergence far below the logits that it is made of has their rounding.
            let near = (x - y).abs() < 1e-5 * x.abs() + 1e-7;
            assert!(near, "step {}: {x} {y}", a.step);
        }
    }
    let fitted = |name: &&String| name.starts_with("losses.fitnets");
    assert!(one.weights.keys().filter(fitted).count() > 1);
    let (name, off) = apart(&one.weights, &two.weights);
    assert!(off < 1e-5, "{name} is off by {off:e}");
    let (name, off) = apart(one.ema.as_ref().unwrap(), two.ema.as_ref().unwrap());
    assert!(off < 1e-5, "the average of {name} is off by {off:e}");
    // Halves that were not dealt out as one batch is would differ by much more.
    let start = task(&means(), None, BATCH);
    let start = start.student().trainable();
    let start = start
        .iter()
        .map(|(name, var)| (name.clone(), var.as_detached_tensor()));
    assert!(apart(&start.collect(), &one.weights).1 > 1e-2);
}

#[test]
fn images_are_mixed_within_a_rank() {
    let mix = Mix {
        mixup: 0.8,
        cutmix: 1.0,
        probability: 1.0,
        switch: 0.5,
    };
    let folder = tempfile::tempdir().unwrap();
    train(2, folder.path(), &means(), Some(mix)).unwrap();
    let losses: Vec<f64> = steps(folder.path()).iter().map(|r| r.loss).collect();
    assert!(
        losses.len() == 4 && losses.iter().all(|x| x.is_finite()),
        "{losses:?}"
    );
}

#[test]
fn losses_that_relate_images_are_refused_by_name() {
    let pairs = || Pairs::Listed(vec![(0, 0)]);
    let labels = || Loss::new(CrossEntropy::default(), 1.0);
    let rkd = Rkd {
        pairs: pairs(),
        ..Rkd::default()
    };
    let manifold = Manifold {
        pairs: pairs(),
        ..Manifold::default()
    };
    for (loss, name) in [
        (Loss::new(Dist::default(), 1.0), "`dist`"),
        (Loss::new(rkd, 1.0), "`rkd`"),
        (Loss::new(manifold, 1.0), "`manifold`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let losses = [labels(), loss];
        let error = train(2, folder.path(), &losses, None).unwrap_err();
        assert!(matches!(error, Error::Ranks { world: 2, .. }));
        let text = error.to_string();
        assert!(
            text.contains(name) && text.contains("train with one rank"),
            "{text}"
        );
        // One rank sees all relations.
        train(1, folder.path(), &losses, None).unwrap();
    }
}

#[test]
fn a_batch_that_cannot_be_dealt_out_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let work = |group: &mut Member| {
        let mut task = task(&means(), None, 30 + group.world() - 1);
        let config = config();
        let trainer = Trainer::new(&config, folder.path());
        trainer.group(group).run(&mut task, &Silent)
    };
    let error = ranks(2, 1, work).unwrap_err().to_string();
    assert!(
        error.contains("batches of 31") && error.contains("multiple of 2"),
        "{error}"
    );

    let mut sampler = *Sampler::shuffled(IMAGES, 16, 7, 0, 1).unwrap().options();
    sampler = SamplerOptions {
        rank: 1,
        world: 2,
        ..sampler
    };
    let images = ImageSet::new(
        [1, 12, 12],
        vec![0; 144 * IMAGES],
        vec![0; IMAGES],
        vec!["a".into()],
    );
    let pipeline = Pipeline::new([12, 12], 1, Geometry::AsIs);
    let loader = Loader::new(Arc::new(images.unwrap()), Arc::new(pipeline), 0, 0).unwrap();
    let mut feed = Feed::new(loader, Sampler::new(sampler).unwrap());
    let error = feed.share(0, 2).unwrap_err().to_string();
    assert!(error.contains("rank 1 of 2 already"), "{error}");
}
