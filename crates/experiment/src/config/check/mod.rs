//! Raw types become valid ones: defaults filled in, ranges and references checked.

mod recipe;
mod variants;

use std::collections::BTreeSet;
use std::path::Path;

use spectralkd_models::{ModelConfig, ModelInfo};

use self::recipe::{distillation, train};
use self::variants::{comparison, variant};
use super::merge::Merged;
use super::raw::{RawData, RawDataset, RawTeacher, RawTrainSet};
use super::valid::{
    Data, Dataset, Experiment, Export, Floor, Spectra, Teacher, TrainSet, Variant, Weights,
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
    let teacher = raw.teacher.as_ref().map(|t| teacher(t, folder));
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
        return Err(fail(
            "variants",
            "a variant distils, so [teacher] is needed".into(),
        )
        .into());
    }
    let distillation = match (&raw.distillation, &teacher_info) {
        (Some(d), Some(info)) => Some(distillation(d, &model_info, info, &fail)?),
        (Some(_), None) => {
            return Err(fail(
                "distillation",
                "there is no [teacher] to distil from".into(),
            )
            .into());
        }
        (None, _) if distils => {
            return Err(fail(
                "variants",
                "a variant distils, so [distillation] is needed".into(),
            )
            .into());
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
        Some(f) => Some(Floor {
            epochs: f.epochs,
            batch_size: f.batch_size,
            lr: f.lr,
        }),
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

/// Makes an error about the key at a dotted path.
type Fail<'a> = dyn Fn(&str, String) -> crate::error::ConfigError + 'a;

fn positive(x: f64) -> bool {
    x.is_finite() && x > 0.0
}

fn data(raw: &RawData, fail: &Fail<'_>) -> Result<Data> {
    let dataset = match raw.dataset {
        RawDataset::FashionMnist => Dataset::FashionMnist,
    };
    let channels = dataset.shape()[0];
    // Mean and standard deviation of the 60,000 training images, scaled to 0..1.
    let mean = raw.mean.clone().unwrap_or_else(|| vec![0.286]);
    let std = raw.std.clone().unwrap_or_else(|| vec![0.353]);
    if mean.len() != channels || std.len() != channels {
        let message =
            format!("the images have {channels} channel(s): give as many values in mean and std");
        return Err(fail("data.mean", message).into());
    }
    if std.iter().any(|s| !positive(f64::from(*s))) || mean.iter().any(|m| !m.is_finite()) {
        return Err(fail("data.std", "standard deviations must be positive".into()).into());
    }
    for (key, value) in [
        ("data.per_class", raw.per_class),
        ("data.test_per_class", raw.test_per_class),
        ("data.curve_per_class", raw.curve_per_class),
    ] {
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
    let (in_chans, size) = (config.in_chans(), config.img_size());
    let num_classes = config.num_classes();
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
