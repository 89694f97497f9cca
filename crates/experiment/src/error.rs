//! What can go wrong, in one type.

use std::ops::Range;
use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A mistake in an experiment file or in an override of it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}{}: {message}{}", path.display(), line.map(|l| format!(":{l}")).unwrap_or_default(), help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default())]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Its whole text, for a caller that shows the place.
    pub text: String,
    /// Line of the mistake, from 1.
    pub line: Option<usize>,
    /// Bytes of `text` that hold the mistake.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// Everything that can end an experiment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A mistake in the configuration.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}; what was written before is untouched", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of a run folder does not say what it should.
    #[error("{}: {message}; run with --fresh to move this folder aside and start anew", path.display())]
    RunFolder {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// No experiment of that name.
    #[error("no experiment named `{name}`; there are: {known}{}", suggestion.as_ref().map(|s| format!(" (did you mean `{s}`?)")).unwrap_or_default())]
    UnknownExperiment {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
        /// The nearest of them.
        suggestion: Option<String>,
    },
    /// Images do not fit the model that they are given to.
    #[error("{}: {problem}", path.display())]
    Images {
        /// The file.
        path: PathBuf,
        /// What is wrong with them, and what to do next.
        problem: String,
    },
    /// An override that cannot be applied.
    #[error("--set {set}: {problem}")]
    Set {
        /// The override, or its path.
        set: String,
        /// What is wrong with it, and what to do next.
        problem: String,
    },
    /// No variant of that name.
    #[error("there is no variant `{name}`; there are {}", known.join(", "))]
    UnknownVariant {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The images that an experiment names cannot be used by it; the sentence says what to do next.
    #[error("{0}")]
    Data(String),
    /// The teacher cannot teach here; the sentence says why, and what to do next.
    #[error("{0}")]
    Teacher(String),
    /// What a strategy chose cannot be used.
    #[error(
        "the strategy `{strategy}` chose layers that the losses cannot compare: {problem}; list the pairs instead"
    )]
    Pairs {
        /// The strategy.
        strategy: &'static str,
        /// Why not.
        problem: String,
    },
    /// A run that cannot be exported; the sentence says why, and what can.
    #[error("{0}")]
    Export(String),
    /// A loss or a gradient is NaN or infinite.
    #[error(
        "{what} is {value}: look at the images and weights, at the weights of the losses, and at their logarithms and divisions"
    )]
    NotFinite {
        /// Which.
        what: String,
        /// NaN or an infinity.
        value: f64,
    },
    /// The system gives no threads.
    #[error("cannot start worker threads: {0}; ask for fewer with --threads or --jobs")]
    Threads(String),
    /// Stopped from outside before the teacher was trained.
    #[error("stopped while training the teacher; the same command goes on")]
    Stopped,
    /// The teacher's weights are not where they should be.
    #[error("the teacher's weights {} are not there; restore them (git checkout), name others with `teacher.weights`, or train the teacher with --train-teacher", path.display())]
    NoWeights {
        /// Where they should be.
        path: PathBuf,
    },
    /// The teacher's weights are not the ones that their manifest describes.
    #[error("{}: the weights' sha256 is {found}, their manifest says {expected}; restore both files (git checkout) or make the teacher anew with --train-teacher", path.display())]
    TeacherChecksum {
        /// The weights.
        path: PathBuf,
        /// Recorded digest.
        expected: String,
        /// Digest of the file.
        found: String,
    },
    /// An atomic write failed.
    #[error(transparent)]
    File(#[from] spectralkd_base::files::FileError),
    /// Reading images failed.
    #[error(transparent)]
    Dataset(#[from] spectralkd_datasets::DatasetError),
    /// A model could not be built or loaded.
    #[error(transparent)]
    Model(#[from] spectralkd_models::Error),
    /// A step, or a teacher's outputs, could not be computed.
    #[error(transparent)]
    Distillation(#[from] spectralkd_distillation::Error),
    /// A loss could not be computed.
    #[error(transparent)]
    Loss(#[from] spectralkd_losses::Error),
    /// Training stopped.
    #[error(transparent)]
    Train(#[from] spectralkd_trainer::Error),
    /// A model could not be measured.
    #[error(transparent)]
    Evaluation(#[from] spectralkd_evaluation::Error),
    /// Statistics, figures or the page failed.
    #[error(transparent)]
    Report(#[from] spectralkd_report::Error),
    /// A spectrum could not be computed.
    #[error(transparent)]
    Spectral(#[from] spectralkd_spectral::Error),
    /// A layer could not be built.
    #[error(transparent)]
    Layer(#[from] spectralkd_nn::Error),
    /// A download failed.
    #[error(transparent)]
    Hub(#[from] spectralkd_hub::HubError),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl From<ConfigError> for Error {
    fn from(e: ConfigError) -> Self {
        Self::Config(Box::new(e))
    }
}

impl Error {
    /// Wraps a failed write with its path.
    pub(crate) fn write(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}
