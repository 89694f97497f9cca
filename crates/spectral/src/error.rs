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
        /// The axis by its usual name (`C`, `H`, `W`), or by its number.
        axis: String,
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
    /// A complex tensor without its leading axis of 2.
    #[error(
        "{op}: a spectrum is a real tensor [2, ...] with real parts at index 0 and imaginary parts \
         at index 1 of the first axis, got shape {shape:?}"
    )]
    NotComplex {
        /// The operation that was called.
        op: &'static str,
        /// The shape it was given.
        shape: Vec<usize>,
    },
    /// A half spectrum whose number of bins is not that of `n` real samples.
    #[error(
        "{op}: {n} real samples have {expected} bins, but axis {axis} of the spectrum of shape \
         {shape:?} has {got}; pass the number of samples that it was made from"
    )]
    Bins {
        /// The operation that was called.
        op: &'static str,
        /// The samples asked for.
        n: usize,
        /// The bins `n/2 + 1` that they have.
        expected: usize,
        /// The bins that are there.
        got: usize,
        /// The axis, without the leading axis of 2.
        axis: usize,
        /// The spectrum's shape, without the leading axis of 2.
        shape: Vec<usize>,
    },
    /// A complex transform along the halved axis of a half spectrum, or an inverse real transform
    /// along another one.
    #[error(
        "{op} along axis {axis}: this spectrum of shape {shape:?} is the half spectrum of {n} real \
         samples along axis {half}; invert that axis with irfft, or complete it with `to_full` first"
    )]
    HalfSpectrum {
        /// The operation that was called.
        op: &'static str,
        /// The axis it was asked to work along.
        axis: usize,
        /// The halved axis.
        half: usize,
        /// The samples along the halved axis.
        n: usize,
        /// The spectrum's shape, without the leading axis of 2.
        shape: Vec<usize>,
    },
    /// The operation needs a half spectrum.
    #[error("{op} needs the half spectrum of a real signal, got a full one of shape {shape:?}")]
    NotHalf {
        /// The operation that was called.
        op: &'static str,
        /// The spectrum's shape, without the leading axis of 2.
        shape: Vec<usize>,
    },
    /// Two things that do not belong together: spectra of different transforms, a mask of another
    /// shape.
    #[error("{op}: {left} does not go with {right}")]
    Mismatch {
        /// The operation that was called.
        op: &'static str,
        /// The first operand, described.
        left: String,
        /// The second operand, described.
        right: String,
    },
    /// A number outside its range.
    #[error("{op}: {what} must be {range}, got {value}")]
    Range {
        /// The operation that was called.
        op: &'static str,
        /// What the number is.
        what: &'static str,
        /// The values it may have, in words.
        range: &'static str,
        /// The value it was given.
        value: String,
    },
    /// A frequency band into which no bin falls.
    #[error(
        "band_average: no bin of a spectrum of {signal:?} samples lies in the band {low} <= f < \
         {high} cycles per sample; widen the band"
    )]
    EmptyBand {
        /// The band's lower edge, in cycles per sample.
        low: f64,
        /// The band's upper edge, in cycles per sample.
        high: f64,
        /// The samples of the signal along the transformed axes.
        signal: Vec<usize>,
    },
    /// An error of candle's.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The crate's result type.
pub type Result<T> = std::result::Result<T, Error>;
