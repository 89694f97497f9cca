//! The linear map y = x w^T + b with bf16 operands, for weights that never change.
//!
//! w [N, K] is rounded to bf16 once ([`Packed`]), x [M, K] piece by piece of its rows into
//! scratch; products are exact in f32, and sums, b and y are f32. With u = 2^-8 (bf16 keeps 8
//! significant bits), each y is within about (2 u + K 2^-24) sum |x||w| of the exact one, where no
//! number is beyond bf16's range (f32's) or subnormal; errors of rounding being of either sign, it
//! is the square root of K products that adds up in practice.
//!
//! Blocking, after Goto and van de Geijn (2008): a piece of rows meets w in strips of 4 panels of 16
//! columns and 256 k, which stay in the L1 cache while tiles of 6 rows pass. Two kernels read
//! the same panels ([`Dot`]). A row's y depends on nothing but the row, w and the kernel; the portable
//! kernel's not on the width of vectors either.

#[cfg(target_arch = "x86_64")]
mod dot;
pub mod mlp;
mod pack;
mod portable;
mod strip;

use std::mem::MaybeUninit;

use super::parallel::{self, even_rows};
use super::simd::{self, Arch};
use super::storage::{copy, filled, written};
#[cfg(target_arch = "x86_64")]
pub use dot::Avx512Bf16;
pub use pack::{COLUMNS, Packed, Pairs, round};
use portable::Portable;
use strip::Strip;

/// Rows of a piece, about: enough to pay for the way of w through the cache.
const PIECE: usize = 96;

/// What computes a product.
#[derive(Clone, Copy, Debug)]
pub enum Dot {
    /// bf16 unpacked to f32 and multiplied with the vectors of an instruction set.
    Portable(Arch),
    /// Dot products of bf16 pairs in hardware.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16(Avx512Bf16),
}

impl Dot {
    /// The fastest that this machine has.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(there) = Avx512Bf16::try_new() {
            return Self::Avx512Bf16(there);
        }
        Self::Portable(simd::best())
    }

    /// All that this machine has, the portable one on scalars first.
    pub fn available() -> Vec<Self> {
        let portable = simd::all().into_iter().map(Self::Portable);
        #[cfg(target_arch = "x86_64")]
        let portable = portable.chain(Avx512Bf16::try_new().map(Self::Avx512Bf16));
        portable.collect()
    }

    /// The instruction set for what is no product.
    fn arch(self) -> Arch {
        match self {
            Self::Portable(arch) => arch,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16(_) => simd::best(),
        }
    }
}

/// y [M, N] of x [M, K], w [N, K] and b `[N]`. Panics if a slice does not have its length.
pub fn forward(dot: Dot, x: &[f32], weight: &Packed, bias: Option<&[f32]>) -> Vec<f32> {
    let (inputs, outputs) = (weight.inputs(), weight.outputs());
    assert!(inputs > 0 && outputs > 0 && x.len().is_multiple_of(inputs));
    let count = x.len() / inputs;
    let piece = even_rows(count, PIECE);
    let fill = |i: usize, y: &mut [MaybeUninit<f32>]| {
        let x = &x[i * piece * inputs..][..y.len() / outputs * inputs];
        rows(dot, x, weight, bias, y);
    };
    let work = x.len() * outputs / 8;
    let fill_all = |y: &mut [MaybeUninit<f32>]| {
        parallel::chunks(y, piece * outputs, work, fill);
    };
    // SAFETY: the pieces are whole rows and cover y, and `rows` writes all of each.
    unsafe { filled(count * outputs, fill_all) }
}

/// y for all rows of x, on this thread; all of `y` is written.
fn rows<'a>(
    dot: Dot,
    x: &[f32],
    weight: &Packed,
    bias: Option<&[f32]>,
    y: &'a mut [MaybeUninit<f32>],
) -> &'a mut [f32] {
    let (inputs, outputs) = (weight.inputs(), weight.outputs());
    let count = x.len() / inputs;
    assert!(y.len() == count * outputs && bias.is_none_or(|b| b.len() == outputs));
    for row in y.chunks_exact_mut(outputs) {
        match bias {
            Some(bias) => copy(bias, row),
            None => row.fill(MaybeUninit::new(0.0)),
        }
    }
    // SAFETY: the loop has written all of `y`, which is whole rows.
    let y = unsafe { written(y) };
    match dot {
        Dot::Portable(arch) => {
            let pair = |even, odd| [even, odd].map(f32::from_bits);
            let kernel = |strip: &mut Strip<'_, _>| arch.dispatch(Portable(strip));
            product(arch, x, weight, y, pair, kernel);
        }
        #[cfg(target_arch = "x86_64")]
        Dot::Avx512Bf16(there) => {
            let pair = |even: u32, odd: u32| even >> 16 | odd;
            product(dot.arch(), x, weight, y, pair, |strip| there.run(strip));
        }
    }
    y
}

/// y += x w^T by `kernel`, which takes x in pairs, as `pair` makes them of the bits of two numbers.
fn product<P: Copy>(
    arch: Arch,
    x: &[f32],
    weight: &Packed,
    y: &mut [f32],
    pair: impl Fn(u32, u32) -> P,
    kernel: impl FnMut(&mut Strip<'_, P>),
) {
    let rows = x.len() / weight.inputs();
    let mut rounded = Box::new_uninit_slice(rows * weight.pairs());
    arch.dispatch(|| pack::round_rows(x, weight.inputs(), &mut rounded, pair));
    // SAFETY: `round_rows` has written all pairs of all rows.
    strip::for_each(unsafe { written(&mut rounded) }, weight, y, kernel);
}
