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
    /// What was asked for does not go together, or cannot be done here; the sentence says what and what to do.
    #[error("{0}")]
    Unfit(String),
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
    Data(#[from] spectralkd_datasets::DatasetError),
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
