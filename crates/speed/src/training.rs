//! The cases with an optimiser, in the trainer's own loop.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use spectralkd_base::progress::Silent;
use spectralkd_losses::{DistillationLoss, FeatureLoss, Logits, SpectralForm};
use spectralkd_models::ModelConfig;
use spectralkd_trainer::{Cadence, Status, TrainConfig, Trainer};

use crate::case::{Length, Named, Precision};
use crate::drawn;
use crate::error::{Error, Result};
use crate::pairs::pairs;
use crate::runs::Timing;
use crate::timed_task::{Guide, Timed};

/// Steps of distillation from a (student, teacher), with the paper's settings.
pub(crate) fn step(
    (student, teacher): (&Named, &Named),
    precision: Precision,
    batch: usize,
    length: Length,
    interrupt: &AtomicBool,
) -> Result<Timing> {
    let guide = Guide {
        teacher: drawn::teacher(teacher, precision)?,
        pairs: pairs(student, teacher)?,
    };
    let weight = match student.config {
        ModelConfig::Swin(_) => 0.05,
        ModelConfig::Deit(_) | ModelConfig::Cait(_) => 0.2,
    };
    let loss = DistillationLoss {
        logits: Logits::Soft,
        alpha: 0.9,
        tau: 1.0,
        smoothing: 0.1,
        beta: 1.0,
        feature: Some((FeatureLoss::Spectral(SpectralForm::Parseval), weight)),
    };
    run(
        Timed::new(student, Some(guide), loss, batch, length)?,
        interrupt,
    )
}

/// Steps of plain training.
pub(crate) fn train(
    student: &Named,
    batch: usize,
    length: Length,
    interrupt: &AtomicBool,
) -> Result<Timing> {
    let loss = DistillationLoss::cross_entropy(0.1);
    run(Timed::new(student, None, loss, batch, length)?, interrupt)
}

/// Trains one epoch of as many steps as there are runs, in a folder that goes away afterwards.
fn run(mut task: Timed, interrupt: &AtomicBool) -> Result<Timing> {
    let folder = tempfile::tempdir().map_err(|source| Error::Folder {
        folder: std::env::temp_dir(),
        source,
    })?;
    run_in(folder.path(), &mut task, interrupt)
}

/// As [`run`], in this folder.
pub(crate) fn run_in(folder: &Path, task: &mut Timed, interrupt: &AtomicBool) -> Result<Timing> {
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
        cadence: Cadence::Step,
        weight_decay: 0.05,
        betas: [0.9, 0.999],
        eps: 1e-8,
        checkpoint_every_steps: None,
        log_every_steps: 1,
        ..TrainConfig::default()
    }
}
