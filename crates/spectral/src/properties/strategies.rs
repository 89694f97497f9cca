//! Strategies for inputs.

use std::ops::RangeInclusive;

use candle_core::{DType, Device, Result, Tensor};
use proptest::prelude::*;
use proptest::sample::select;

use super::numbers::noise;
use crate::Norm;

/// f32 and f64 tensors on the CPU with one axis per range, sizes within it and values in [-1, 1):
/// contiguous, axes permuted in memory, windows of larger tensors, or broadcast along their first
/// axis.
///
/// `tensors(&[1..=3, 1..=16, 1..=16])` gives `[P, H, W]`. Failures shrink towards small sizes.
pub fn tensors(sizes: &[RangeInclusive<usize>]) -> impl Strategy<Value = Tensor> + use<> {
    tensors_of(&[DType::F64, DType::F32], sizes)
}

/// [`tensors`] of given element types.
pub fn tensors_of(
    dtypes: &[DType],
    sizes: &[RangeInclusive<usize>],
) -> impl Strategy<Value = Tensor> + use<> {
    let layouts = [
        Layout::Contiguous,
        Layout::Permuted,
        Layout::Window,
        Layout::Broadcast,
    ];
    let parts = (
        sizes.to_vec(),
        select(dtypes.to_vec()),
        select(layouts.to_vec()),
        any::<u64>(),
    );
    parts.prop_filter_map(
        "candle refused the tensor",
        |(shape, dtype, layout, seed)| layout.tensor(&shape, dtype, seed).ok(),
    )
}

/// The three normalisations.
pub fn norms() -> impl Strategy<Value = Norm> {
    select(vec![Norm::Backward, Norm::Ortho, Norm::Forward])
}

/// How a tensor lies in memory.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Contiguous,
    /// The first axis innermost, as tokens `[B, N, C]` seen as channels first.
    Permuted,
    /// One element left out at both ends of every axis.
    Window,
    /// Stride 0 along the first axis.
    Broadcast,
}

impl Layout {
    fn tensor(self, shape: &[usize], dtype: DType, seed: u64) -> Result<Tensor> {
        let filled = |shape: &[usize]| {
            let values = noise(seed, shape.iter().product());
            Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)
        };
        let rank = shape.len();
        match self {
            _ if rank == 0 => filled(shape),
            Self::Contiguous => filled(shape),
            Self::Permuted => {
                let stored = [&shape[1..], &shape[..1]].concat();
                let order: Vec<usize> = (0..rank).map(|axis| (axis + rank - 1) % rank).collect();
                filled(&stored)?.permute(order)
            }
            Self::Window => {
                let stored: Vec<usize> = shape.iter().map(|size| size + 2).collect();
                (0..rank).try_fold(filled(&stored)?, |x, axis| x.narrow(axis, 1, shape[axis]))
            }
            Self::Broadcast => {
                let mut stored = shape.to_vec();
                stored[0] = 1;
                filled(&stored)?.broadcast_as(shape)
            }
        }
    }
}
