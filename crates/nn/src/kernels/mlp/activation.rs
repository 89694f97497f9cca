//! GELU between the two products, and its derivative together with its value: both come
//! out of one evaluation of the normal distribution.

use std::mem::MaybeUninit;

use super::super::gelu;
use super::super::simd::{self, Simd, WithSimd};

/// Writes all of the second slice: a = gelu(h) of h, the first.
pub(super) struct Gelu<'a>(pub &'a [f32], pub &'a mut [MaybeUninit<f32>]);

impl WithSimd for Gelu<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        simd::map1(simd, gelu::Gelu, self.0, self.1);
    }
}

/// From h: writes all of a = gelu(h), and da becomes dh = da gelu'(h).
pub(super) struct GeluBoth<'a> {
    pub h: &'a [f32],
    pub a: &'a mut [MaybeUninit<f32>],
    pub da: &'a mut [f32],
}

impl WithSimd for GeluBoth<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        assert!(self.h.len() == self.a.len() && self.h.len() == self.da.len());
        let (h, h_tail) = S::as_simd_f32s(self.h);
        let (a, a_tail) = S::as_uninit_mut_simd_f32s(self.a);
        let (da, da_tail) = S::as_mut_simd_f32s(self.da);
        for ((&h, a), da) in h.iter().zip(a).zip(da) {
            let (cdf, density) = simd::normal(simd, h);
            a.write(simd.mul_f32s(h, cdf));
            *da = simd.mul_f32s(*da, simd.mul_add_e_f32s(h, density, cdf));
        }
        if !h_tail.is_empty() {
            let (h, tail) = (
                simd.partial_load_f32s(h_tail),
                simd.partial_load_f32s(da_tail),
            );
            let (cdf, density) = simd::normal(simd, h);
            simd::write_lanes(simd, simd.mul_f32s(h, cdf), a_tail);
            let tail = simd.mul_f32s(tail, simd.mul_add_e_f32s(h, density, cdf));
            simd.partial_store_f32s(da_tail, tail);
        }
    }
}
