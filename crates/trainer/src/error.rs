//! What can go wrong while training, in words that say what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use spectralkd_base::files::FileError;

use crate::audit::Finding;
use crate::task::{Step, TaskError};

/// What this crate's fallible functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a training run could not start, go on or be continued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value of the training configuration makes no sense.
    #[error("training configuration: `{key}` is {value}, but {rule}")]
    Config {
        /// The field of [`crate::TrainConfig`].
        key: &'static str,
        /// Its value, as printed.
        value: String,
        /// What must hold.
        rule: &'static str,
    },

    /// The task cannot be trained as it stands (nothing to train, one variable under two names, ...).
    #[error("this task cannot be trained: {0}")]
    Task(String),

    /// The task itself failed.
    #[error("{doing} failed at {step}: {source}")]
    InTask {
        /// What the task was asked to do.
        doing: &'static str,
        /// Where in the run.
        step: Step,
        /// The task's own error.
        source: TaskError,
    },

    /// A tensor operation of the trainer's own failed.
    #[error("{doing}: {source}")]
    Tensor {
        /// What was being computed, with the parameter's name where there is one.
        doing: String,
        /// candle's error.
        source: candle_core::Error,
    },

    /// The loss or a gradient is NaN or infinite; nothing of this step was applied.
    #[error("{0}")]
    NonFinite(Box<NonFinite>),

    /// The task cannot be shared out to ranks as it stands, or the ranks do not agree.
    #[error("training with {world} ranks: {reason}")]
    Ranks {
        /// How many ranks there are.
        world: usize,
        /// Why, and what to do.
        reason: String,
    },

    /// Another rank stopped, and all with it.
    #[error("rank {rank} ended the run: {message}")]
    Rank {
        /// The rank that stopped.
        rank: usize,
        /// What it said.
        message: String,
    },

    /// The code of the task, or of this crate, panicked.
    #[error("a panic: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },

    /// Threads for the ranks could not be started.
    #[error("cannot start the threads of {world} ranks: {message}")]
    Threads {
        /// How many ranks there were to be.
        world: usize,
        /// The reason.
        message: String,
    },

    /// Some parameters do not train, or some that must not train do.
    #[error("gradient audit before the first update: {}", list(.findings))]
    Audit {
        /// Everything that was found, sorted by parameter name.
        findings: Vec<Finding>,
    },

    /// The folder holds a run of another configuration.
    #[error(
        "{} belongs to a run with another configuration ({}); use --fresh to start anew \
         (the old folder is moved aside), or restore the old values to continue it",
        path.display(), .differences.join("; ")
    )]
    OtherConfig {
        /// The sidecar of the checkpoint.
        path: PathBuf,
        /// One line per differing value.
        differences: Vec<String>,
    },

    /// A checkpoint was written by a version of this crate with another file format.
    #[error(
        "{} has checkpoint format {found}, this version reads format {expected}; \
         continue the run with the version that began it, or use --fresh to start anew",
        path.display()
    )]
    Format {
        /// The sidecar of the checkpoint.
        path: PathBuf,
        /// The format it names.
        found: u64,
        /// The format of this version.
        expected: u64,
    },

    /// An intact checkpoint of this configuration holds other tensors than the task trains.
    #[error(
        "{} does not fit the model: {}; use --fresh to start anew",
        path.display(), .differences.join("; ")
    )]
    OtherTensors {
        /// The tensor file.
        path: PathBuf,
        /// Missing, unexpected and mis-shaped tensors, one per entry.
        differences: Vec<String>,
    },

    /// Another process is training in this folder.
    #[error(
        "another process is training in {} (it holds {}); wait for it or stop it",
        folder.display(), lock.display()
    )]
    Busy {
        /// The run's folder.
        folder: PathBuf,
        /// The locked file.
        lock: PathBuf,
    },

    /// A line of an events file is no event.
    #[error("{}, line {line}: not an event: {source}", path.display())]
    Event {
        /// The events file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// The parser's reason.
        source: serde_json::Error,
    },

    /// A value could not be written as JSON.
    #[error("cannot write {what} as JSON: {source}")]
    Json {
        /// What was to be written.
        what: &'static str,
        /// The serialiser's reason.
        source: serde_json::Error,
    },

    /// A file or folder could not be read, made, moved or deleted.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The verb: "read", "append to", ...
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// A file could not be put in its place.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The facts about a step whose loss or gradient is NaN or infinite.
#[derive(Debug)]
pub struct NonFinite {
    /// What is not finite: "the loss", or "the gradient of NAME".
    pub what: String,
    /// The offending value (a gradient's is its norm).
    pub value: f64,
    /// Where in the run.
    pub step: Step,
    /// The learning rate of the step.
    pub lr: f64,
    /// The loss and its parts, by name.
    pub losses: Vec<(String, f64)>,
    /// The newest checkpoint, if there is one.
    pub checkpoint: Option<PathBuf>,
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {} at {}, learning rate {:e} (",
            self.what, self.value, self.step, self.lr
        )?;
        for (i, (name, value)) in self.losses.iter().enumerate() {
            write!(f, "{}{name} {value}", if i == 0 { "" } else { ", " })?;
        }
        write!(f, "); the step was not applied, ")?;
        match &self.checkpoint {
            Some(path) => write!(f, "the state before it is kept in {}", path.display())?,
            None => write!(f, "and there is no checkpoint yet")?,
        }
        write!(
            f,
            "; check the data of this step, lower the learning rate, or clip the gradients"
        )
    }
}

impl Error {
    /// For `map_err` on the operating system's errors.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// For `map_err` on candle's errors.
    pub(crate) fn tensor(doing: impl Into<String>) -> impl FnOnce(candle_core::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Tensor { doing, source }
    }

    /// For `map_err` on a task's errors.
    pub(crate) fn in_task(doing: &'static str, step: Step) -> impl FnOnce(TaskError) -> Self {
        move |source| Self::InTask {
            doing,
            step,
            source,
        }
    }
}

/// The first findings, and how many more there are.
fn list(findings: &[Finding]) -> String {
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = findings
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    if findings.len() > SHOWN {
        lines.push(format!("and {} more", findings.len() - SHOWN));
    }
    lines.join("; ")
}
