//! The crate's one error type.

use candle_core::DType;

/// Everything that can go wrong in this crate. Messages name the operation and the shape it was
/// given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tensor has too few axes for the operation.
    #[error("{op} needs a tensor of shape {expected}, got one of shape {shape:?}")]
    Rank {
        /// The operation that was called.
        op: &'static str,
        /// The shape it takes, in words.
        expected: &'static str,
        /// The shape it was given.
        shape: Vec<usize>,
    },
    /// A transformed or pooled axis has no elements.
    #[error("{op} cannot work on an empty axis: shape {shape:?} has no elements along {axis}")]
    EmptyAxis {
        /// The operation that was called.
        op: &'static str,
        /// The axis by its usual name (`C`, `H`, `W`).
        axis: &'static str,
        /// The shape it was given.
        shape: Vec<usize>,
    },
    /// The element type is not a floating-point type that candle computes with.
    #[error(
        "{op} works on f16, bf16, f32 and f64 tensors, got {dtype:?}; convert it with `to_dtype` \
         first"
    )]
    DType {
        /// The operation that was called.
        op: &'static str,
        /// The element type it was given.
        dtype: DType,
    },
    /// Pooling to no channels at all was asked for.
    #[error(
        "cannot pool the channels of a tensor of shape {shape:?} to 0 channels; ask for at least 1"
    )]
    NoOutputChannels {
        /// The shape of the input.
        shape: Vec<usize>,
    },
    /// Features with another number of channels than the accumulator was made for.
    #[error(
        "this channel spectrum accumulates features of {expected} channels, got {got} (from {from})"
    )]
    ChannelCount {
        /// The accumulator's channels.
        expected: usize,
        /// The channels that were given.
        got: usize,
        /// Where they came from: a tensor's shape, or another accumulator.
        from: String,
    },
    /// The features hold NaN or infinity, which no mean survives.
    #[error(
        "the features of shape {shape:?} hold NaN or infinite values; nothing was added to the \
         spectrum"
    )]
    NonFinite {
        /// The shape of the features.
        shape: Vec<usize>,
    },
    /// An error of candle's.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The crate's result type.
pub type Result<T> = std::result::Result<T, Error>;
