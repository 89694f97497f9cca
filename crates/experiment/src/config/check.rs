//! Raw types become valid ones: defaults filled in, ranges and references checked.

use std::collections::BTreeSet;
use std::path::Path;

use spectralkd_models::{ModelConfig, ModelInfo};

use super::merge::Merged;
use super::nearest::nearest;
use super::raw::{
    RawComparison, RawData, RawDistillation, RawFeature, RawLogits, RawTeacher,
    RawTrain, RawTrainSet, RawVariant,
};
use super::valid::{
    Comparison, Data, Dataset, Distillation, Experiment, Export, Feature, Floor, Logits, Spectra,
    Teacher, Train, TrainSet, Variant, Weights,
};
use crate::error::Result;

/// Checks a merged file and fills in its defaults. Paths become relative to
/// the working directory instead of to the file in `folder`.
///
/// # Errors
/// The first mistake, at its line.
pub(super) fn check(merged: &Merged<'_>, folder: &Path) -> Result<Experiment> {
    let raw = merged.raw()?;
    let fail = |path: &str, message: String| merged.error(path, message);

    let seeds = raw.seeds.unwrap_or_else(|| vec![0]);
    let distinct: BTreeSet<u64> = seeds.iter().copied().collect();
    if seeds.is_empty() || distinct.len() != seeds.len() {
        return Err(fail("seeds", "give at least one seed, and each seed once".into()).into());
    }

    let data = data(&raw.data, &fail)?;
    let model_info = model(&raw.model, "model", &data, &fail)?;
    let teacher = match &raw.teacher {
        Some(teacher) => Some(self::teacher(teacher, folder)),
        None => None,
    };
    let teacher_info = match &teacher {
        Some(t) => Some(model(&t.model, "teacher.model", &data, &fail)?),
        None => None,
    };
    let train = train(&raw.train, &fail)?;

    let mut variants: Vec<Variant> = Vec::with_capacity(raw.variants.len());
    for (i, entry) in raw.variants.iter().enumerate() {
        let variant = variant(entry, i, &fail)?;
        if variants.iter().any(|v| v.name == variant.name) {
            let message = format!("the name `{}` is taken by another variant", variant.name);
            return Err(fail(&format!("variants.{i}.name"), message).into());
        }
        variants.push(variant);
    }
    if variants.is_empty() {
        return Err(fail("variants", "give at least one [[variants]]".into()).into());
    }
    let distils = variants.iter().any(Variant::uses_teacher);
    if distils && teacher.is_none() {
        return Err(fail("variants", "a variant distils, so [teacher] is needed".into()).into());
    }
    let distillation = match (&raw.distillation, &teacher_info) {
        (Some(d), Some(info)) => Some(distillation(d, &model_info, info, &fail)?),
        (Some(_), None) => {
            return Err(fail("distillation", "there is no [teacher] to distil from".into()).into());
        }
        (None, _) if distils => {
            return Err(fail("variants", "a variant distils, so [distillation] is needed".into()).into());
        }
        (None, _) => None,
    };
    let comparison = match &raw.comparison {
        Some(c) => Some(comparison(c, &variants, &fail)?),
        None => None,
    };
    let floor = match raw.floor {
        Some(f) if f.epochs == 0 || f.batch_size == 0 || !positive(f.lr) => {
            return Err(fail("floor", "epochs, batch_size and lr must be positive".into()).into());
        }
        Some(f) => Some(Floor { epochs: f.epochs, batch_size: f.batch_size, lr: f.lr }),
        None => None,
    };
    let per_class = raw.spectra.map_or(10, |s| s.per_class);
    if per_class == 0 {
        return Err(fail("spectra.per_class", "must be at least 1".into()).into());
    }
    Ok(Experiment {
        name: merged.name(),
        profile: merged.profile().to_owned(),
        title: raw.title,
        claim: raw.claim,
        paper: raw.paper,
        seeds,
        data,
        model: raw.model,
        teacher,
        train,
        distillation,
        variants,
        comparison,
        floor,
        spectra: Spectra { per_class },
        export: raw.export.map(|e| Export {
            weights: folder.join(e.weights),
            at_least: e.at_least.unwrap_or(0.0),
        }),
    })
}

type Fail<'a> = dyn Fn(&str, String) -> crate::error::ConfigError + 'a;

fn positive(x: f64) -> bool {
    x.is_finite() && x > 0.0
}

fn data(raw: &RawData, fail: &Fail<'_>) -> Result<Data> {
    let dataset = match raw.dataset {
        super::raw::RawDataset::FashionMnist => Dataset::FashionMnist,
    };
    let channels = dataset.shape()[0];
    // Mean and standard deviation of the 60,000 training images, scaled to 0..1.
    let mean = raw.mean.clone().unwrap_or_else(|| vec![0.286]);
    let std = raw.std.clone().unwrap_or_else(|| vec![0.353]);
    if mean.len() != channels || std.len() != channels {
        let message = format!("the images have {channels} channel(s): give as many values in mean and std");
        return Err(fail("data.mean", message).into());
    }
    if std.iter().any(|s| !positive(f64::from(*s))) || mean.iter().any(|m| !m.is_finite()) {
        return Err(fail("data.std", "standard deviations must be positive".into()).into());
    }
    for (key, value) in [("data.per_class", raw.per_class), ("data.test_per_class", raw.test_per_class), ("data.curve_per_class", raw.curve_per_class)] {
        if value == Some(0) {
            return Err(fail(key, "must be at least 1".into()).into());
        }
    }
    Ok(Data {
        dataset,
        train: match raw.train {
            Some(RawTrainSet::Full) => TrainSet::Full,
            Some(RawTrainSet::Embedded) | None => TrainSet::Embedded,
        },
        per_class: raw.per_class,
        test_per_class: raw.test_per_class,
        curve_per_class: raw.curve_per_class,
        mean,
        std,
        flip: raw.flip.unwrap_or(false),
    })
}

/// Checks an architecture by itself and against the images.
fn model(config: &ModelConfig, key: &str, data: &Data, fail: &Fail<'_>) -> Result<ModelInfo> {
    let info = config.info().map_err(|e| fail(key, e.to_string()))?;
    let [channels, height, width] = data.dataset.shape();
    let (in_chans, size, num_classes) = match config {
        ModelConfig::Deit(c) => (c.in_chans, c.img_size, c.num_classes),
        ModelConfig::Cait(c) => (c.in_chans, c.img_size, c.num_classes),
    };
    if in_chans != channels || size != [height, width] {
        let message = format!(
            "the images are {channels}x{height}x{width}, the model takes {in_chans}x{}x{}",
            size[0], size[1],
        );
        return Err(fail(&format!("{key}.img_size"), message).into());
    }
    if num_classes != data.dataset.classes() {
        let message = format!(
            "the data set has {} classes, the model {num_classes}",
            data.dataset.classes(),
        );
        return Err(fail(&format!("{key}.num_classes"), message).into());
    }
    Ok(info)
}

fn teacher(raw: &RawTeacher, folder: &Path) -> Teacher {
    let weights = if raw.weights.starts_with("hf://") {
        Weights::Hub(raw.weights.clone())
    } else {
        Weights::File(folder.join(&raw.weights))
    };
    Teacher {
        model: raw.model.clone(),
        weights,
        recipe: raw.recipe.as_ref().map(|r| folder.join(r)),
    }
}

fn train(raw: &RawTrain, fail: &Fail<'_>) -> Result<Train> {
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
        ("eval_batch_size", train.eval_batch_size > 0, "must be at least 1"),
        ("lr", positive(train.lr), "must be a positive number"),
        ("warmup_lr", train.warmup_lr >= 0.0 && train.warmup_lr <= train.lr, "must lie between 0 and lr"),
        ("min_lr", train.min_lr >= 0.0 && train.min_lr <= train.lr, "must lie between 0 and lr"),
        ("warmup_epochs", train.warmup_epochs < train.epochs, "must be less than epochs"),
        ("weight_decay", train.weight_decay >= 0.0 && train.weight_decay.is_finite(), "must not be negative"),
        ("betas", train.betas.iter().all(|b| unit(*b)), "must lie in 0..1"),
        ("eps", positive(train.eps), "must be a positive number"),
        ("ema", train.ema.is_none_or(unit), "must lie in 0..1"),
        ("clip_grad", train.clip_grad.is_none_or(positive), "must be a positive number"),
        ("label_smoothing", unit(train.label_smoothing), "must lie in 0..1"),
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

fn distillation(
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
    if raw.pairs.is_empty() {
        return Err(fail("distillation.pairs", "give at least one [student block, teacher block]".into()).into());
    }
    for (i, [s, t]) in raw.pairs.iter().enumerate() {
        let key = format!("distillation.pairs.{i}");
        let (Some(a), Some(b)) = (student.taps.get(*s), teacher.taps.get(*t)) else {
            let message = format!(
                "[{s}, {t}] is out of range: the student has {} blocks, the teacher {}, counted from 0",
                student.taps.len(), teacher.taps.len(),
            );
            return Err(fail(&key, message).into());
        };
        if a[1..] != b[1..] {
            let message = format!(
                "the student's map is {}x{}, the teacher's {}x{}: both need the same patch grid",
                a[1], a[2], b[1], b[2],
            );
            return Err(fail(&key, message).into());
        }
        if a[0] > b[0] {
            let message = format!(
                "the student has {} channels, the teacher only {}: pooling works on the teacher's side",
                a[0], b[0],
            );
            return Err(fail(&key, message).into());
        }
    }
    Ok(Distillation {
        alpha,
        tau,
        beta,
        pairs: raw.pairs.iter().map(|[s, t]| (*s, *t)).collect(),
    })
}

fn variant(raw: &RawVariant, index: usize, fail: &Fail<'_>) -> Result<Variant> {
    let key = |name: &str| format!("variants.{index}.{name}");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if raw.name.is_empty() || !raw.name.chars().all(plain) {
        let message = "a folder gets this name: use letters, digits, - and _".to_owned();
        return Err(fail(&key("name"), message).into());
    }
    let logits = match raw.logits {
        RawLogits::None => Logits::None,
        RawLogits::FeaturesOnly => Logits::FeaturesOnly,
        RawLogits::Soft => Logits::Soft,
        RawLogits::Hard => Logits::Hard,
    };
    let feature = raw.feature.map(|f| match f {
        RawFeature::Spectral => Feature::Spectral,
        RawFeature::SpectralParseval => Feature::SpectralParseval,
        RawFeature::Mse => Feature::Mse,
        RawFeature::MseMatched => Feature::MseMatched,
    });
    let message = match (logits, feature, raw.weight) {
        (Logits::None, Some(_), _) => Some("a feature loss needs a teacher: choose other `logits`"),
        (Logits::FeaturesOnly, None, _) => Some("`features-only` needs a `feature`"),
        (_, None, Some(_)) => Some("`weight` belongs to a `feature`, which is not given"),
        (_, Some(_), None) => Some("a feature loss needs a `weight` (the paper's w_fft, 0.2 for DeiT)"),
        (_, Some(_), Some(w)) if !positive(w) => Some("`weight` must be a positive number"),
        _ => None,
    };
    if let Some(message) = message {
        return Err(fail(&format!("variants.{index}"), message.to_owned()).into());
    }
    Ok(Variant {
        label: raw.label.clone().unwrap_or_else(|| raw.name.clone()),
        name: raw.name.clone(),
        logits,
        feature,
        weight: raw.weight.unwrap_or(0.0),
    })
}

fn comparison(raw: &RawComparison, variants: &[Variant], fail: &Fail<'_>) -> Result<Comparison> {
    let names = || variants.iter().map(|v| v.name.as_str());
    let references = [
        ("baseline", Some(&raw.baseline)),
        ("candidate", Some(&raw.candidate)),
        ("control", raw.control.as_ref()),
        ("undistilled", raw.undistilled.as_ref()),
    ];
    for (key, name) in references {
        let Some(name) = name else { continue };
        if !names().any(|n| n == name) {
            let near = nearest(name, names()).map(|n| format!("; did you mean `{n}`?"));
            let message = format!("no variant is named `{name}`{}", near.unwrap_or_default());
            return Err(fail(&format!("comparison.{key}"), message).into());
        }
    }
    if raw.baseline == raw.candidate {
        return Err(fail("comparison.candidate", "must differ from the baseline".into()).into());
    }
    if !(raw.effect.is_finite() && raw.effect >= 0.0) {
        return Err(fail("comparison.effect", "must not be negative".into()).into());
    }
    let confidence = raw.confidence.unwrap_or(0.95);
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(fail("comparison.confidence", "must lie between 0 and 1".into()).into());
    }
    Ok(Comparison {
        baseline: raw.baseline.clone(),
        candidate: raw.candidate.clone(),
        control: raw.control.clone(),
        undistilled: raw.undistilled.clone(),
        effect: raw.effect,
        confidence,
    })
}
