//! Whole models of every family, forward and backward with losses on all of their taps.

use spectralkd_base::random::Stream;
use spectralkd_distillation::shapes;
use spectralkd_losses::kinds::{CrossEntropy, Kl, Spectral};
use spectralkd_losses::{
    Head, Inputs, Loss, Objectives, Outputs, Pairs, Reduction, Request, Shapes,
};
use spectralkd_models::{CaitConfig, DeitConfig, ModelConfig, SwinConfig, Taps};
use spectralkd_nn::Pass;

use super::case::{Case, Tensors, gradients, host};
use super::draw::{Draw, SEED, labels};
use crate::error::Result;

/// Images in a batch.
pub(super) const BATCH: usize = 8;

pub(super) fn cases() -> Vec<Case> {
    let models = [
        ("DeiT", deit(false)),
        ("DeiT, distilled", deit(true)),
        ("CaiT", cait()),
        ("Swin, padded and shifted windows", swin(24)),
    ];
    let case = |(name, config): (&str, ModelConfig)| {
        let of = config.clone();
        Case::drawn("model", name, move |d| pass(d, &config))
            .but_for(move |parameter| of.zero_gradient(parameter))
    };
    models.into_iter().map(case).collect()
}

/// 7 x 5 patches.
const IMAGE: [usize; 2] = [28, 20];

pub(super) fn deit(distilled: bool) -> ModelConfig {
    ModelConfig::Deit(DeitConfig {
        img_size: IMAGE,
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 48,
        depth: 4,
        num_heads: 3,
        mlp_ratio: 4.0,
        drop_path: 0.2,
        distilled,
    })
}

pub(super) fn cait() -> ModelConfig {
    ModelConfig::Cait(CaitConfig {
        img_size: IMAGE,
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 64,
        depth: 4,
        num_heads: 4,
        mlp_ratio: 4.0,
        drop_path: 0.2,
        depth_token_only: 2,
        init_values: 0.1,
    })
}

/// Stages of 14 x 10, 7 x 5 and 4 x 3 tokens in windows of 4 x 4.
pub(super) fn swin(embed_dim: usize) -> ModelConfig {
    ModelConfig::Swin(SwinConfig {
        img_size: IMAGE,
        patch_size: 2,
        in_chans: 1,
        num_classes: 10,
        embed_dim,
        depths: vec![2, 2, 2],
        num_heads: vec![3, 6, 6],
        window_size: 4,
        mlp_ratio: 4.0,
        drop_path: 0.2,
    })
}

/// Cross entropy, KL divergence and the spectral loss over pairs of layers, with the paper's weights.
pub(super) fn losses(pairs: Vec<(usize, usize)>) -> [Loss; 3] {
    let labels = CrossEntropy {
        smoothing: 0.1,
        ..CrossEntropy::default()
    };
    let spectral = Spectral {
        pairs: Pairs::Listed(pairs),
        ..Spectral::default()
    };
    [
        Loss::new(labels, 0.1),
        Loss::new(Kl::default(), 0.9),
        Loss::new(spectral, 0.2),
    ]
}

/// Logits, maps, losses and the gradients of all parameters in a training pass. The teacher's outputs are drawn; every
/// other of its maps has twice the channels.
fn pass(d: &Draw, config: &ModelConfig) -> Result<Tensors> {
    let model = config.build(d.vb())?;
    let own = shapes(model.info());
    let mut theirs = Shapes { ..own.clone() };
    for [channels, ..] in theirs.taps.iter_mut().step_by(2) {
        *channels *= 2;
    }
    let [channels, height, width] = model.info().image;
    let images = d.constant("images", &[BATCH, channels, height, width])?;
    let stream = Stream::new(SEED, "drop path");
    let keys: Vec<u64> = (0..BATCH as u64).collect();
    let output = model.forward(&images, &Taps::All, &Pass::train(&stream, &keys))?;

    let whole = |tap| Request::Map {
        tap,
        reduction: Reduction::Whole,
    };
    let maps = output.features.iter();
    let mut student: Outputs = maps.map(|(tap, map)| (whole(*tap), map.clone())).collect();
    student.insert(Request::Logits(Head::Mean), output.logits.clone());

    let pairs = (0..own.taps.len()).map(|tap| (tap, tap)).collect();
    let losses = losses(pairs);
    let objectives = Objectives::build(&losses, &own, Some(&theirs), &d.wide_vb(), &|_| Ok(1.0))?;
    let mut teacher = Outputs::new();
    for request in objectives.needs_at(0).teacher {
        let drawn = match request {
            Request::Map { tap, reduction } => {
                let [c, h, w] = theirs.taps[tap];
                let map = d.wide(&format!("teacher's map {tap}"), &[BATCH, c, h, w])?;
                reduction.apply(&map)?
            }
            _ => d.wide("teacher's logits", &[BATCH, own.classes])?,
        };
        teacher.insert(request, drawn);
    }
    let labels = labels(BATCH, own.classes, &d.place.device)?;
    let inputs = Inputs {
        student: &student,
        teacher: &teacher,
        labels: Some(&labels),
        targets: None,
        draws: &stream,
    };
    let sum = objectives.forward(&inputs, 0)?;

    let mut all = Tensors::new();
    all.insert("out logits".into(), Some(host(&output.logits)?));
    for (tap, map) in &output.features {
        all.insert(format!("tap {tap}"), Some(host(map)?));
    }
    all.insert("loss total".into(), Some(host(&sum.total)?));
    for (name, term) in &sum.terms {
        all.insert(format!("loss {name}"), Some(host(term)?));
    }
    gradients(&d.vars(), &sum.total.backward()?, &mut all)?;
    Ok(all)
}
