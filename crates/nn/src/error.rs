//! What can go wrong in a layer, in the words of the person who has to mend it.

use candle_core::DType;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a layer, of its parameters or of the tensors that it was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor does not have the shape that a layer works on.
    #[error("{layer}: expected {expected}, got a tensor of shape {got:?}")]
    Shape {
        /// The layer, and where needed the operand.
        layer: &'static str,
        /// The shape that would do, in words.
        expected: String,
        /// The shape found.
        got: Vec<usize>,
    },
    /// A layer's configuration contradicts itself.
    #[error("{layer}: {reason}")]
    Config {
        /// The layer.
        layer: &'static str,
        /// What is wrong, with the numbers, and what would do.
        reason: String,
    },
    /// A custom operation has no kernel for this type of number.
    #[error(
        "{op} has CPU kernels for F32, not for {dtype:?}: convert the operands with `to_dtype` first, or build the layer for {dtype:?}"
    )]
    DType {
        /// The operation.
        op: &'static str,
        /// The type found.
        dtype: DType,
    },
    /// A layer whose weights are packed in bf16 cannot do what was asked of it.
    #[error("{layer} with weights in bf16: {reason}")]
    Bf16 {
        /// The layer.
        layer: &'static str,
        /// What cannot be, and what to do instead.
        reason: String,
    },
    /// A parameter is not among the loaded weights.
    #[error("no parameter named `{name}` among the {count} given; the nearest name is `{nearest}`")]
    MissingParameter {
        /// The name asked for.
        name: String,
        /// How many parameters there are.
        count: usize,
        /// The name that shares the longest beginning with it.
        nearest: String,
    },
    /// A parameter has another shape than the layer asks for.
    #[error("parameter `{name}`: the layer asks for shape {expected:?}, the parameter has {got:?}")]
    ParameterShape {
        /// The parameter.
        name: String,
        /// The shape that the layer asks for.
        expected: Vec<usize>,
        /// The shape of the parameter.
        got: Vec<usize>,
    },
    /// candle's own error.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(inner) => inner,
            other => Self::wrap(other),
        }
    }
}
