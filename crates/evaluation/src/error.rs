//! The one error type of this crate.

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong in measuring models.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A sample is too small for what was asked of it.
    #[error("{what} needs at least {need} values, got {got}")]
    TooFew {
        /// What was to be computed.
        what: &'static str,
        /// Number of values given.
        got: usize,
        /// Number of values needed.
        need: usize,
    },
    /// A NaN or an infinity where a number is needed.
    #[error("{what} holds {value} at index {index}: every value must be finite")]
    NotFinite {
        /// Whose values they are.
        what: String,
        /// Index of the first bad value, in row-major order.
        index: usize,
        /// The bad value.
        value: f64,
    },
    /// A number outside its range.
    #[error("{what} must be {range}, got {value}")]
    OutOfRange {
        /// What the number is.
        what: &'static str,
        /// The range, in words.
        range: &'static str,
        /// The number.
        value: f64,
    },
    /// Two things that belong together differ in length.
    #[error("{left} has {left_len} values and {right} has {right_len}: they must be equal")]
    Lengths {
        /// Name of the first.
        left: String,
        /// Its length.
        left_len: usize,
        /// Name of the second.
        right: String,
        /// Its length.
        right_len: usize,
    },
    /// Tensors of other shapes than what was asked for.
    #[error("{what} must have the shapes {expected}, got {got:?}")]
    Shape {
        /// What the tensors are.
        what: &'static str,
        /// The shapes needed.
        expected: &'static str,
        /// The shapes given.
        got: Vec<Vec<usize>>,
    },
    /// A label that names no class.
    #[error("sample {index} of the batch has the label {label}, and there are {classes} classes")]
    Label {
        /// Index of the sample in its batch.
        index: usize,
        /// Its label.
        label: i64,
        /// Number of classes.
        classes: usize,
    },
    /// Features of a layer that were not asked for, or the lack of them.
    #[error("no features of the {model}'s layer {layer}; there are those of layers {present:?}")]
    Layer {
        /// Whose layer: student or teacher.
        model: &'static str,
        /// Index of the layer.
        layer: usize,
        /// Layers there are features of.
        present: Vec<usize>,
    },
    /// Features of a model that cannot be read, or are not what was announced.
    #[error("features of {model}, layer {layer}: {problem}")]
    Features {
        /// Name of the model.
        model: String,
        /// Index of the layer.
        layer: usize,
        /// What is wrong.
        problem: String,
    },
    /// Layer pairs cannot be chosen.
    #[error("the strategy `{strategy}` cannot choose {count} layer pairs: {problem}")]
    Pairs {
        /// Name of the strategy.
        strategy: &'static str,
        /// Pairs that were asked for.
        count: usize,
        /// What is in the way.
        problem: crate::pairs::PairsProblem,
    },
    /// The eigenvalues of a covariance were not found.
    #[error(
        "the eigenvalues of a covariance of {size} channels do not converge: are its features finite?"
    )]
    Eigenvalues {
        /// Channels of the layer.
        size: usize,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A Fourier transform or a pooling failed.
    #[error(transparent)]
    Spectral(#[from] spectralkd_spectral::Error),
    /// A loss could not be computed.
    #[error(transparent)]
    Loss(#[from] spectralkd_losses::Error),
}
