//! The perceptron of a transformer block, gelu(x w1^T + b1) w2^T + b2, with both weights in bf16.
//!
//! As [`crate::kernels::mlp`], a piece of rows runs through both products while it is in the cache;
//! gelu is f32, and its result rounded to bf16 as the second product's x.

use std::mem::MaybeUninit;

use super::super::gelu::Gelu;
use super::super::parallel::{self, even_rows};
use super::super::simd::{Map1, Simd, WithSimd};
use super::super::storage::{filled, scratch};
use super::{Dot, Packed, rows};

/// Rows of a piece, about: their hidden numbers, f32 and bf16, stay in the L2 cache.
const PIECE: usize = 48;

/// The parameters: w1 [H, C], b1 `[H]`, w2 [C, H], b2 `[C]`.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// w1 and b1.
    pub first: (&'a Packed, Option<&'a [f32]>),
    /// w2 and b2.
    pub second: (&'a Packed, Option<&'a [f32]>),
}

/// x becomes gelu(x).
struct GeluInPlace<'a>(&'a mut [f32]);

impl WithSimd for GeluInPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (vectors, tail) = S::as_mut_simd_f32s(self.0);
        for x in vectors {
            *x = Gelu.apply(simd, *x);
        }
        if !tail.is_empty() {
            let x = simd.partial_load_f32s(tail);
            simd.partial_store_f32s(tail, Gelu.apply(simd, x));
        }
    }
}

/// y [M, C] of x [M, C]. Panics if a slice does not have its length.
pub fn forward(dot: Dot, parameters: Parameters<'_>, x: &[f32]) -> Vec<f32> {
    let Parameters {
        first: (w1, b1),
        second: (w2, b2),
    } = parameters;
    let (channels, hidden, outputs) = (w1.inputs(), w1.outputs(), w2.outputs());
    assert!(channels > 0 && hidden == w2.inputs() && outputs > 0);
    assert!(x.len().is_multiple_of(channels));
    let count = x.len() / channels;
    let piece = even_rows(count, PIECE);
    let fill = |i: usize, y: &mut [MaybeUninit<f32>]| {
        let count = y.len() / outputs;
        let x = &x[i * piece * channels..][..count * channels];
        let mut h = scratch(count * hidden);
        let h = rows(dot, x, w1, b1, &mut h);
        dot.arch().dispatch(GeluInPlace(h));
        rows(dot, h, w2, b2, y);
    };
    let work = count * hidden * (channels + outputs) / 8;
    let fill_all = |y: &mut [MaybeUninit<f32>]| {
        parallel::chunks(y, piece * outputs, work, fill);
    };
    // SAFETY: the pieces are whole rows and cover y, and `rows` writes all of each.
    unsafe { filled(count * outputs, fill_all) }
}
