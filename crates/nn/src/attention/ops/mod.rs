//! The differentiable operations on kernels.

mod packed;
mod separate;

use candle_core::{CpuStorage, Layout};

use crate::kernels::attention::Shape;

pub(super) use packed::{SoftmaxAttention, TalkingAttention};
pub use packed::{softmax_attention, talking_attention};
pub use separate::class_attention;

type CandleResult<T> = candle_core::Result<T>;

/// A tensor's storage and layout, as candle hands them to a custom op.
type Stored<'a> = (&'a CpuStorage, &'a Layout);

/// A result's storage and shape.
type Output = CandleResult<(CpuStorage, candle_core::Shape)>;

fn result_shape(shape: Shape) -> candle_core::Shape {
    (shape.batch, shape.queries, shape.channels()).into()
}
