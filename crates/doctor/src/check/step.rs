//! A whole step of distillation: teacher, student, losses, backward pass, AdamW.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use spectralkd_datasets::{Normalise, Render};
use spectralkd_distillation::{Student, Targets, objective_terms, outputs, shapes};
use spectralkd_models::ModelConfig;
use spectralkd_nn::{Pass, params};
use spectralkd_trainer::{AdamW, Step, backward, decays};

use super::case::{Case, GRADIENT, Tensors, host};
use super::draw::{Draw, SEED, labels};
use super::models::{BATCH, cait, deit, losses, swin};
use super::optimiser::HYPER;
use super::place::Place;
use crate::error::Result;

pub(super) fn cases() -> Vec<Case> {
    let pairs = [
        ("CaiT to DeiT", cait(), deit(false)),
        ("Swin to Swin", swin(48), swin(24)),
    ];
    let case = |(name, teacher, student): (&str, ModelConfig, ModelConfig)| {
        let of = student.clone();
        Case::drawn("step", name, move |d| step(d, &teacher, &student))
            .but_for(move |parameter| of.zero_gradient(parameter))
    };
    pairs.into_iter().map(case).collect()
}

/// Losses, gradients and the parameters after one update.
fn step(d: &Draw, teacher: &ModelConfig, student: &ModelConfig) -> Result<Tensors> {
    let place = (&d.place.device, d.place.dtype);
    let teacher = {
        let weights = values(teacher)?;
        teacher.build(params::frozen(weights, place.1, place.0))?
    };
    let student = drawn(d, student)?;
    let info = student.model.info();
    let (own, theirs) = (shapes(info), shapes(teacher.info()));
    let losses = losses((0..own.taps.len()).map(|tap| (tap, tap)).collect());
    let objectives = student.objectives(&losses, Some(&theirs), &|_| Ok(1.0))?;

    let [channels, height, width] = info.image;
    let images = d.constant("images", &[BATCH, channels, height, width])?;
    let labels = labels(BATCH, own.classes, place.0)?;
    let keys: Vec<u64> = (0..BATCH as u64).collect();
    let targets = Targets {
        labels: Some(&labels),
        soft: None,
        keys: &keys,
    };
    let needs = objectives.needs_at(0).teacher;
    let taught = outputs(teacher.as_ref(), &images, &needs, &Pass::eval())?;
    let at = Step {
        epoch: 0,
        step_in_epoch: 0,
        global: 0,
    };
    let parts = objective_terms(&student, &images, &taught, targets, &objectives, (SEED, at))?;

    let vars = student.trainable();
    let (found, _) = backward(&parts.total, &vars)?;
    let listed = info.no_weight_decay.clone();
    let mut adamw = AdamW::new(&vars, HYPER, |name, rank| decays(name, rank, &listed))?;
    adamw.step(&found, 5e-4, 1.0)?;

    let mut all = Tensors::new();
    all.insert("loss total".into(), Some(host(&parts.total)?));
    for (name, term) in &parts.parts {
        all.insert(format!("loss {name}"), Some(host(term)?));
    }
    for (name, var) in &vars {
        let gradient = found.get(name).map(host).transpose()?;
        all.insert(format!("{GRADIENT}{name}"), gradient);
        all.insert(format!("after {name}"), Some(host(var.as_tensor())?));
    }
    Ok(all)
}

/// Drawn weights of a model, f32 on the CPU.
fn values(config: &ModelConfig) -> Result<BTreeMap<String, Tensor>> {
    let place = Place {
        device: Device::Cpu,
        dtype: DType::F32,
    };
    let draw = Draw::new(&place);
    // Building the model is what draws them.
    config.build(draw.vb())?;
    let vars = draw.vars().into_iter();
    Ok(vars
        .map(|(name, var)| (name, var.as_detached_tensor()))
        .collect())
}

/// A student with drawn weights on the place of the case.
fn drawn(d: &Draw, config: &ModelConfig) -> Result<Student> {
    let channels = config.in_chans();
    let normalise = Normalise {
        mean: vec![0.5; channels],
        std: vec![0.5; channels],
    };
    let render = Render::new(config.img_size(), channels, normalise)?;
    let (device, dtype) = (&d.place.device, d.place.dtype);
    let student = Student::made_on((device, dtype), render, SEED, |vb| Ok(config.build(vb)?))?;
    let values = values(config)?;
    for (name, var) in student.trainable() {
        let value: &Tensor = values.get(&name).ok_or(crate::Error::Empty)?;
        var.set(&value.to_device(device)?.to_dtype(dtype)?)?;
    }
    Ok(student)
}
