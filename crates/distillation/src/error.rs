//! What can go wrong, in one type.

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can end a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A cached output is wanted that was not cached.
    #[error(
        "the teacher's {what} was not kept: a cache holds what the losses asked for when it was made"
    )]
    NotCached {
        /// The output, or the view.
        what: String,
    },
    /// A teacher's outputs are not finite.
    #[error(
        "the teacher's {request} holds NaN or infinity: its weights are damaged, or it was made for other images \
         (look at size, mean and std)"
    )]
    TeacherNotFinite {
        /// The output.
        request: String,
    },
    /// A teacher's outputs depend on a trainable variable.
    #[error(
        "the teacher's {request} carries a gradient: a teacher must be built on frozen weights"
    )]
    TeacherTrains {
        /// The output.
        request: String,
    },
    /// Logits are wanted of a teacher that does not know the classes.
    #[error(
        "the teacher's logits are wanted, but {why}; give it features to teach only, or a head for these classes"
    )]
    OtherClasses {
        /// How its classes differ from the data set's.
        why: String,
    },
    /// A cache is wanted of views that cannot be counted.
    #[error("the teacher's outputs cannot be kept: {why}")]
    Uncountable {
        /// Why.
        why: String,
    },
    /// The step cannot be shared out to ranks.
    #[error("{reason}")]
    Shared {
        /// Why, and what to do.
        reason: String,
    },
    /// Reading images failed.
    #[error(transparent)]
    Data(#[from] spectralkd_datasets::DatasetError),
    /// A model's forward pass failed.
    #[error(transparent)]
    Model(#[from] spectralkd_models::Error),
    /// A parameter could not be made or set.
    #[error(transparent)]
    Layer(#[from] spectralkd_nn::Error),
    /// A loss could not be built or computed.
    #[error(transparent)]
    Loss(#[from] spectralkd_losses::Error),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
}
