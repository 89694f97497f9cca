//! What can go wrong while something is computed for a check, in one type.

/// The result of a computation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a case of a check could not be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was computed that could be compared.
    #[error("the case gives no result")]
    Empty,
    /// A layer.
    #[error(transparent)]
    Layer(#[from] spectralkd_nn::Error),
    /// A spectral operation.
    #[error(transparent)]
    Spectral(#[from] spectralkd_spectral::Error),
    /// A loss.
    #[error(transparent)]
    Loss(#[from] spectralkd_losses::Error),
    /// A model.
    #[error(transparent)]
    Model(#[from] spectralkd_models::Error),
    /// Rendering.
    #[error(transparent)]
    Data(#[from] spectralkd_datasets::DatasetError),
    /// A step.
    #[error(transparent)]
    Step(#[from] spectralkd_distillation::Error),
    /// The optimiser, the average or the norm.
    #[error(transparent)]
    Train(#[from] spectralkd_trainer::Error),
    /// A tensor operation.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
}
