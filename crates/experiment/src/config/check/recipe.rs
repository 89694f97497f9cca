//! Checks of `[train]` and `[distillation]`.

use spectralkd_models::ModelInfo;

use super::{Fail, positive};
use crate::config::pairs::Pairs;
use crate::config::raw::{RawDistillation, RawTrain};
use crate::config::valid::{Distillation, Train};
use crate::error::Result;

pub(super) fn train(raw: &RawTrain, fail: &Fail<'_>) -> Result<Train> {
    let train = Train {
        epochs: raw.epochs,
        batch_size: raw.batch_size,
        lr: raw.lr,
        warmup_lr: raw.warmup_lr.unwrap_or(1e-6),
        min_lr: raw.min_lr.unwrap_or(1e-5),
        warmup_epochs: raw.warmup_epochs.unwrap_or(0),
        schedule: raw.schedule.unwrap_or_default(),
        weight_decay: raw.weight_decay.unwrap_or(0.05),
        betas: raw.betas.unwrap_or([0.9, 0.999]),
        eps: raw.eps.unwrap_or(1e-8),
        ema: raw.ema,
        clip_grad: raw.clip_grad,
        label_smoothing: raw.label_smoothing.unwrap_or(0.1),
        checkpoint_steps: raw.checkpoint_steps,
        eval_batch_size: raw.eval_batch_size.unwrap_or(256),
    };
    let unit = |x: f64| (0.0..1.0).contains(&x);
    let rules: [(&str, bool, &str); 13] = [
        ("epochs", train.epochs > 0, "must be at least 1"),
        ("batch_size", train.batch_size > 0, "must be at least 1"),
        (
            "eval_batch_size",
            train.eval_batch_size > 0,
            "must be at least 1",
        ),
        ("lr", positive(train.lr), "must be a positive number"),
        (
            "warmup_lr",
            train.warmup_lr >= 0.0 && train.warmup_lr <= train.lr,
            "must lie between 0 and lr",
        ),
        (
            "min_lr",
            train.min_lr >= 0.0 && train.min_lr <= train.lr,
            "must lie between 0 and lr",
        ),
        (
            "warmup_epochs",
            train.warmup_epochs < train.epochs,
            "must be less than epochs",
        ),
        (
            "weight_decay",
            train.weight_decay >= 0.0 && train.weight_decay.is_finite(),
            "must not be negative",
        ),
        (
            "betas",
            train.betas.iter().all(|b| unit(*b)),
            "must lie in 0..1",
        ),
        ("eps", positive(train.eps), "must be a positive number"),
        ("ema", train.ema.is_none_or(unit), "must lie in 0..1"),
        (
            "clip_grad",
            train.clip_grad.is_none_or(positive),
            "must be a positive number",
        ),
        (
            "label_smoothing",
            unit(train.label_smoothing),
            "must lie in 0..1",
        ),
    ];
    for (key, holds, rule) in rules {
        if !holds {
            return Err(fail(&format!("train.{key}"), rule.to_owned()).into());
        }
    }
    if train.checkpoint_steps == Some(0) {
        return Err(fail("train.checkpoint_steps", "must be at least 1".into()).into());
    }
    Ok(train)
}

pub(super) fn distillation(
    raw: &RawDistillation,
    student: &ModelInfo,
    teacher: &ModelInfo,
    fail: &Fail<'_>,
) -> Result<Distillation> {
    let alpha = raw.alpha.unwrap_or(0.9);
    let tau = raw.tau.unwrap_or(1.0);
    let beta = raw.beta.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&alpha) {
        return Err(fail("distillation.alpha", "must lie in 0..=1".into()).into());
    }
    if !positive(tau) {
        return Err(fail("distillation.tau", "must be a positive number".into()).into());
    }
    if !(beta.is_finite() && beta >= 0.0) {
        return Err(fail("distillation.beta", "must not be negative".into()).into());
    }
    let pairs = Pairs::parse(&raw.pairs).map_err(|(key, message)| fail(&key, message))?;
    pairs
        .check(student, teacher)
        .map_err(|(key, message)| fail(&key, message))?;
    Ok(Distillation {
        alpha,
        tau,
        beta,
        pairs,
    })
}
