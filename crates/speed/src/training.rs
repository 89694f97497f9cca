//! The cases with an optimiser: the step that experiments make, in the trainer's own loop.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use spectralkd_base::progress::Silent;
use spectralkd_datasets::{Geometry, Loader, Pipeline, Sampler};
use spectralkd_distillation::{Distillation, Feed, Teacher};
use spectralkd_losses::kinds::{CrossEntropy, Kl, Spectral};
use spectralkd_losses::{Loss, Pairs};
use spectralkd_models::ModelConfig;
use spectralkd_trainer::{Cadence, Status, TrainConfig, Trainer};

use crate::case::{Length, Named, Precision};
use crate::drawn;
use crate::error::{Error, Result};
use crate::pairs::pairs;
use crate::runs::Timing;
use crate::timed_task::Timed;

/// Steps of distillation from a (student, teacher), with the paper's settings.
pub(crate) fn step(
    (student, teacher): (&Named, &Named),
    precision: Precision,
    batch: usize,
    length: Length,
    device: &Device,
    interrupt: &AtomicBool,
) -> Result<Timing> {
    let weight = match student.config {
        ModelConfig::Swin(_) => 0.05,
        ModelConfig::Deit(_) | ModelConfig::Cait(_) => 0.2,
    };
    let losses = [
        Loss::new(labels(), 0.1),
        Loss::new(Kl::default(), 0.9),
        Loss::new(
            Spectral {
                pairs: Pairs::Listed(pairs(student, teacher)?),
                ..Spectral::default()
            },
            weight,
        ),
    ];
    let teacher = Arc::new(drawn::teacher(teacher, precision, device)?);
    let task = task(student, Some(teacher), &losses, batch, device)?;
    run(Timed::new(task, length, device), interrupt)
}

/// Steps of plain training.
pub(crate) fn train(
    student: &Named,
    batch: usize,
    length: Length,
    device: &Device,
    interrupt: &AtomicBool,
) -> Result<Timing> {
    let losses = [Loss::new(labels(), 1.0)];
    let task = task(student, None, &losses, batch, device)?;
    run(Timed::new(task, length, device), interrupt)
}

/// Cross-entropy with the paper's smoothing.
fn labels() -> CrossEntropy {
    CrossEntropy {
        smoothing: 0.1,
        ..CrossEntropy::default()
    }
}

/// A student drawn anew, and `batch` images in memory, which every step takes.
pub(crate) fn task(
    student: &Named,
    teacher: Option<Arc<dyn Teacher>>,
    losses: &[Loss],
    batch: usize,
    device: &Device,
) -> Result<Distillation> {
    let config = &student.config;
    let student = drawn::student(config, device)?;
    let shapes = teacher.as_ref().map(|teacher| teacher.shapes());
    let objectives = student.objectives(losses, shapes, &|_| Ok(1.0))?;
    let images = Arc::new(drawn::set(config, batch)?);
    let pipeline = Pipeline::new(config.img_size(), config.in_chans(), Geometry::AsIs);
    let loader = Loader::new(images, Arc::new(pipeline), 0, 0)?;
    let sampler = Sampler::shuffled(batch, batch, drawn::SEED, 0, 1)?;
    let feed = Feed::new(loader, sampler);
    Ok(Distillation::new(
        student,
        teacher,
        objectives,
        feed,
        drawn::SEED,
    ))
}

/// Trains one epoch of as many steps as there are runs, in a folder that goes away afterwards.
fn run(mut task: Timed<Distillation>, interrupt: &AtomicBool) -> Result<Timing> {
    let folder = tempfile::tempdir().map_err(|source| Error::Folder {
        folder: std::env::temp_dir(),
        source,
    })?;
    run_in(folder.path(), &mut task, interrupt)
}

/// As [`run`], in this folder.
pub(crate) fn run_in(
    folder: &Path,
    task: &mut Timed<Distillation>,
    interrupt: &AtomicBool,
) -> Result<Timing> {
    let raised = || interrupt.load(Ordering::Relaxed);
    let config = train_config();
    let outcome = Trainer::new(&config, folder)
        .interrupt(&raised)
        .run(task, &Silent)?;
    match (outcome.status, task.timing.take()) {
        (Status::Finished, Some(timing)) => Ok(timing),
        _ => Err(Error::Interrupted),
    }
}

/// The paper's AdamW at a constant rate. All steps are one epoch, so that evaluation and checkpoint come after the last;
/// each writes its event.
fn train_config() -> TrainConfig {
    TrainConfig {
        epochs: 1,
        lr: 5e-4,
        min_lr: 5e-4,
        warmup_epochs: 0,
        schedule: Cadence::Step,
        log_every_steps: 1,
        ..TrainConfig::default()
    }
}
