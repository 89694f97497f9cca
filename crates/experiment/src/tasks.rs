//! The trainer's tasks of an experiment: its students, and the linear classifier.

use std::sync::Arc;

use candle_core::{DType, Device};
use spectralkd_datasets::Sampler;
use spectralkd_distillation::{Distillation, Feed, Student, Teacher};
use spectralkd_losses::kinds::CrossEntropy;
use spectralkd_losses::{Loss, Pair};
use spectralkd_models::VisionModel;
use spectralkd_trainer::TrainConfig;

use crate::config::{Experiment, Variant};
use crate::data::Images;
use crate::error::Result;
use crate::first_weights::FirstWeights;
use crate::floor::PixelClassifier;
use crate::measure::Measured;
use crate::results::FLOOR;
use crate::teaching::Teaching;

/// What the trainer trains.
pub type RunTask = Distillation;

/// A student of a variant.
///
/// # Errors
/// A loss that cannot be built between these models.
pub fn student(
    experiment: &Experiment,
    variant: &Variant,
    (images, first): (&Images, &FirstWeights),
    teaching: Option<&Teaching>,
    config: &TrainConfig,
    measured: Measured,
) -> Result<RunTask> {
    let sizes = images.student(&experiment.model)?;
    let render = images.render(sizes.info()?.image, None)?;
    let student = first.student(&sizes, render, config.seed)?;
    let teaching = teaching.filter(|_| variant.uses_teacher());
    let ratio = |pairs: &[Pair]| match teaching {
        Some(teaching) => teaching.ratio(pairs),
        None => Ok(1.0),
    };
    let objectives = student.objectives(
        &experiment.losses(variant),
        teaching.map(|t| t.teacher.shapes()),
        &ratio,
    )?;
    let teacher: Option<Arc<dyn Teacher>> = teaching.map(|t| Arc::clone(&t.teacher));
    let identity = serde_json::json!({
        "experiment": experiment.name,
        "profile": experiment.profile,
        "variant": variant.name,
    });
    let feed = feed(images, config)?;
    let task = Distillation::new(student, teacher, objectives, feed, config.seed);
    Ok(task
        .measure(Box::new(move |student, epoch| {
            measured.after(student, epoch)
        }))
        .identity(identity))
}

/// The linear classifier on pixels.
///
/// # Errors
/// As [`student`].
pub fn floor(
    experiment: &Experiment,
    (images, device): (&Images, &Device),
    config: &TrainConfig,
    measured: Measured,
) -> Result<RunTask> {
    let [height, width] = images.size();
    let image = [images.channels(), height, width];
    let classes = images.classes().len();
    let place = (device, DType::F32);
    let student = Student::made_on(place, images.render(image, None)?, config.seed, |vb| {
        let model = PixelClassifier::new(image, classes, &vb)?;
        Ok(Box::new(model) as Box<dyn VisionModel>)
    })?;
    let labels = CrossEntropy {
        smoothing: 0.0,
        ..CrossEntropy::default()
    };
    let objectives = student.objectives(&[Loss::new(labels, 1.0)], None, &|_| Ok(1.0))?;
    let task = Distillation::new(
        student,
        None,
        objectives,
        feed(images, config)?,
        config.seed,
    );
    Ok(task
        .measure(Box::new(move |student, epoch| {
            measured.after(student, epoch)
        }))
        .identity(serde_json::json!({ "experiment": experiment.name, "variant": FLOOR })))
}

fn feed(images: &Images, config: &TrainConfig) -> Result<Feed> {
    let sampler = Sampler::shuffled(images.train.len(), config.batch_size, config.seed, 0, 1)?;
    Ok(Feed::new(images.training()?, sampler))
}
