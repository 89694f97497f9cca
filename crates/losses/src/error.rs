//! The crate's one error type.

use candle_core::DType;

use crate::{Request, Wrong};

/// Everything that can go wrong in this crate. Messages name the shapes and values at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor of the wrong rank, or without elements.
    #[error(
        "{what} must be a tensor of shape {expected} with at least one element, got shape {shape:?}"
    )]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// The shape it must have, in words.
        expected: &'static str,
        /// The shape it has.
        shape: Vec<usize>,
    },
    /// Two tensors whose shapes must fit each other do not.
    #[error("{left} of shape {left_shape:?} and {right} of shape {right_shape:?} differ in {axes}")]
    Mismatch {
        /// The first tensor.
        left: &'static str,
        /// Its shape.
        left_shape: Vec<usize>,
        /// The second tensor.
        right: &'static str,
        /// Its shape.
        right_shape: Vec<usize>,
        /// What must agree.
        axes: &'static str,
    },
    /// The student has more channels than its teacher.
    #[error(
        "student features {student:?} have more channels than teacher features {teacher:?} \
         ([B, C, H, W]); the teacher is pooled down to the student's channels, so the student may \
         have at most as many: pair it with a wider teacher layer or make the student narrower"
    )]
    StudentWider {
        /// The student's shape.
        student: Vec<usize>,
        /// The teacher's shape.
        teacher: Vec<usize>,
    },
    /// A feature loss was asked for without a pair of features.
    #[error("a feature loss needs at least one pair of student and teacher features, got none")]
    NoPairs,
    /// What went wrong in one pair of a list.
    #[error("feature pair {index}: {source}")]
    Pair {
        /// The position in the list, from 0.
        index: usize,
        /// What went wrong there.
        source: Box<Error>,
    },
    /// Both losses of a ratio vanish or are not finite.
    #[error(
        "the ratio of spectral loss {spectral} to mean squared error {mse} means nothing: the \
         features of student and teacher are equal or not finite"
    )]
    NoRatio {
        /// The spectral loss.
        spectral: f64,
        /// The plain mean squared error.
        mse: f64,
    },
    /// An element type that the loss cannot work with.
    #[error("{what} must be {expected}, got {dtype:?}")]
    DType {
        /// Which tensor.
        what: &'static str,
        /// The element types it may have, in words.
        expected: &'static str,
        /// The element type it has.
        dtype: DType,
    },
    /// A label outside the classes.
    #[error(
        "target {target} of sample {index} is not a class: the logits have classes 0..{classes}"
    )]
    Target {
        /// The sample in the batch, from 0.
        index: usize,
        /// Its label.
        target: i64,
        /// The number of classes.
        classes: usize,
    },
    /// A key of a loss that is out of range, or does not go with the models.
    #[error("{0}")]
    Wrong(Wrong),
    /// What went wrong in one loss of a list.
    #[error("loss {index} (`{name}`): {source}")]
    Loss {
        /// The position in the list, from 0.
        index: usize,
        /// The loss's name.
        name: String,
        /// What went wrong.
        source: Box<Error>,
    },
    /// An output that was not computed.
    #[error("{request} was not computed; there are: {known}")]
    NoOutput {
        /// What was asked for.
        request: Request,
        /// What there is.
        known: String,
    },
    /// A classification loss on images without labels.
    #[error("the cross entropy needs the labels of the images, and there are none")]
    NoLabels,
    /// An epoch in which no loss has any weight.
    #[error("no loss has any weight in epoch {epoch}: there is nothing to learn")]
    NothingToLearn {
        /// The epoch, from 0.
        epoch: u64,
    },
    /// What a loss is weighted with could not be measured.
    #[error("the ratio of the spectral loss to the mean squared error was not measured: {0}")]
    Measurement(Box<dyn std::error::Error + Send + Sync>),
    /// An error of a layer (a projector).
    #[error(transparent)]
    Layer(#[from] spectralkd_nn::Error),
    /// An error of the transforms.
    #[error(transparent)]
    Spectral(#[from] spectralkd_spectral::Error),
    /// An error of candle's.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn of_loss(index: usize, name: &str, source: Self) -> Self {
        Self::Loss {
            index,
            name: name.to_owned(),
            source: Box::new(source),
        }
    }
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}
