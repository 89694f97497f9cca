//! Buffers of one thread, kept from one task to the next.

use std::cell::Cell;

use pulp::{Arch, Simd, WithSimd};

/// Numbers of a cache line.
const LINE: usize = 16;

thread_local! {
    static BUFFER: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Runs `f` on buffers of the given lengths, each of which begins a cache line. They hold
/// what an earlier task left there.
pub(super) fn with<const N: usize, R>(lens: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    let total: usize = lens.iter().map(|len| len.next_multiple_of(LINE)).sum();
    // Taken out of its cell, so that a task which this thread runs inside `f` would find
    // an empty one and not the same numbers.
    let mut buffer = BUFFER.take();
    if buffer.len() < total + LINE {
        buffer.resize(total + LINE, 0.0);
    }
    let skip = buffer
        .as_ptr()
        .align_offset(LINE * size_of::<f32>())
        .min(LINE);
    let mut rest = &mut buffer[skip..];
    let parts = lens.map(|len| {
        let (part, after) = std::mem::take(&mut rest).split_at_mut(len.next_multiple_of(LINE));
        rest = after;
        &mut part[..len]
    });
    let result = f(parts);
    BUFFER.set(buffer);
    result
}

/// The stride of padded rows of `n` numbers: whole vectors. Not a multiple of 1 KiB, or
/// walks down a column would meet in a few sets of the cache.
pub(super) fn stride(arch: Arch, n: usize) -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    let lanes = arch.dispatch(Lanes);
    let stride = n.next_multiple_of(lanes);
    if stride.is_multiple_of(256) {
        stride + lanes
    } else {
        stride
    }
}
