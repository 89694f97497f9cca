//! GELU, exact: y = x cdf(x), with cdf the standard normal distribution function
//! (Hendrycks and Gimpel 2016; `torch.nn.GELU()` without approximation).
//! Backward: dx = dy (cdf(x) + x density(x)).

use std::mem::MaybeUninit;

use super::parallel::{self, CHUNK};
use super::simd::{self, Arch, Map1, Map2, Simd, WithSimd};
use super::storage::filled;

/// x cdf(x), a vector at a time.
#[derive(Clone, Copy)]
pub struct Gelu;

impl Map1 for Gelu {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        simd.mul_f32s(x, simd::normal(simd, x).0)
    }
}

/// (x, dy) to dy (cdf(x) + x density(x)), a vector at a time.
#[derive(Clone, Copy)]
pub struct GeluGradient;

impl Map2 for GeluGradient {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, x: S::f32s, dy: S::f32s) -> S::f32s {
        let (cdf, density) = simd::normal(simd, x);
        simd.mul_f32s(dy, simd.mul_add_e_f32s(x, density, cdf))
    }
}

struct Forward<'a>(&'a [f32], &'a mut [MaybeUninit<f32>]);

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        simd::map1(simd, Gelu, self.0, self.1);
    }
}

struct Backward<'a>(&'a [f32], &'a [f32], &'a mut [MaybeUninit<f32>]);

impl WithSimd for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        simd::map2(simd, GeluGradient, self.0, self.1, self.2);
    }
}

/// y of x.
pub fn forward(arch: Arch, x: &[f32]) -> Vec<f32> {
    let fill = |i: usize, out: &mut [MaybeUninit<f32>]| {
        arch.dispatch(Forward(&x[i * CHUNK..][..out.len()], out));
    };
    // SAFETY: the pieces cover the output, and `map1` writes every element of its piece.
    unsafe {
        filled(x.len(), |out| {
            parallel::chunks(out, CHUNK, 4 * x.len(), fill)
        })
    }
}

/// dx of x and dy. Panics unless the lengths agree.
pub fn backward(arch: Arch, x: &[f32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), dy.len());
    let fill = |i: usize, out: &mut [MaybeUninit<f32>]| {
        let (x, dy) = (&x[i * CHUNK..], &dy[i * CHUNK..]);
        arch.dispatch(Backward(&x[..out.len()], &dy[..out.len()], out));
    };
    // SAFETY: the pieces cover the output, and `map2` writes every element of its piece.
    unsafe {
        filled(x.len(), |out| {
            parallel::chunks(out, CHUNK, 4 * x.len(), fill)
        })
    }
}
