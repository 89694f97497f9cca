//! What can go wrong, in one type.

use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a speed cannot be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing would be timed.
    #[error("no timed runs were asked for: at least 1 is needed")]
    NoRuns,
    /// The first training step, which is another than those after it, would be timed.
    #[error(
        "`{case}` needs a warm-up of at least 1: the trainer audits all gradients in its first step"
    )]
    NoWarmup {
        /// The case.
        case: &'static str,
    },
    /// A precision that nothing trains in.
    #[error("nothing is timed in {precision} yet: f32 or tf32")]
    Precision {
        /// The precision.
        precision: spectralkd_runtime::Precision,
    },
    /// Feature maps with a size of 0.
    #[error(
        "feature maps of shape {shape:?} hold no numbers: batch, channels, height and width are at least 1"
    )]
    EmptyMaps {
        /// Batch, channels, height and width.
        shape: [usize; 4],
    },
    /// A batch of 0.
    #[error("a batch holds at least 1 image")]
    EmptyBatch,
    /// A student that cannot learn from its teacher.
    #[error(
        "{student} cannot be a student of {teacher}: {problem}. What fits: deit_tiny_patch16_224 with cait_s24_224, \
         swin_tiny_patch4_window7_224 with swin_small_patch4_window7_224, or any smaller model of one family with a \
         larger one for the same images"
    )]
    NoPair {
        /// The student.
        student: String,
        /// The teacher.
        teacher: String,
        /// What is in the way.
        problem: String,
    },
    /// A loss that no gradient comes back from.
    #[error("the loss gave no gradient")]
    NoGradient,
    /// A measurement with a number that JSON cannot hold.
    #[error("the measurement is no JSON: {0}")]
    NoJson(serde_json::Error),
    /// A line that is not what [`Record::json`](crate::Record::json) writes.
    #[error("not the record of a measurement: {source}: {line}")]
    NoRecord {
        /// The line.
        line: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The folder that training writes to could not be made.
    #[error("cannot make a folder in {}: {source}", folder.display())]
    Folder {
        /// The folder for temporary files.
        folder: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Somebody asked to stop.
    #[error("stopped before the measurement was complete")]
    Interrupted,
    /// A model could not be built.
    #[error(transparent)]
    Model(#[from] spectralkd_models::Error),
    /// A step could not be put together.
    #[error(transparent)]
    Distillation(#[from] spectralkd_distillation::Error),
    /// The images could not be made.
    #[error(transparent)]
    Data(#[from] spectralkd_datasets::DatasetError),
    /// The loss could not be computed.
    #[error(transparent)]
    Loss(#[from] spectralkd_losses::Error),
    /// Layer pairs could not be chosen.
    #[error(transparent)]
    Evaluation(#[from] spectralkd_evaluation::Error),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] spectralkd_trainer::Error),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
}
