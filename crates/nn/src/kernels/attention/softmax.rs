//! The softmax over padded rows in scratch, and its gradient. Rows are whole vectors.

use pulp::{Simd, WithSimd};

use crate::kernels::simd;

/// `x_j = e^(x_j - max x) / sum_j e^(x_j - max x)` over the first `n` numbers of each row;
/// the padding becomes 0.
pub(super) struct Softmax<'a> {
    /// Rows that are `stride` numbers apart.
    pub x: &'a mut [f32],
    pub stride: usize,
    pub n: usize,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.n.next_multiple_of(S::F32_LANES);
        for row in self.x.chunks_exact_mut(self.stride) {
            // e^-inf = 0, so that the padding needs no further thought.
            row[self.n..width].fill(f32::NEG_INFINITY);
            let (row, _) = S::as_mut_simd_f32s(&mut row[..width]);
            let mut max = simd.splat_f32s(f32::NEG_INFINITY);
            for &x in row.iter() {
                max = simd.max_f32s(max, x);
            }
            let max = simd.splat_f32s(simd.reduce_max_f32s(max));
            let mut sum = simd.splat_f32s(0.0);
            for x in row.iter_mut() {
                *x = simd::exp(simd, simd.sub_f32s(*x, max));
                sum = simd.add_f32s(sum, *x);
            }
            let inverse = simd.splat_f32s(1.0 / simd.reduce_sum_f32s(sum));
            for x in row {
                *x = simd.mul_f32s(*x, inverse);
            }
        }
    }
}

/// `d_j = p_j (d_j - sum_j p_j d_j)` over the first `n` numbers of each row, where p is
/// [`Softmax`]'s result. The padding of d must hold finite numbers and becomes 0.
pub(super) struct SoftmaxBackward<'a> {
    /// Rows that are `stride` numbers apart.
    pub p: &'a [f32],
    /// Laid out as `p`.
    pub d: &'a mut [f32],
    pub stride: usize,
    pub n: usize,
}

impl WithSimd for SoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.n.next_multiple_of(S::F32_LANES);
        let rows = self
            .p
            .chunks_exact(self.stride)
            .zip(self.d.chunks_exact_mut(self.stride));
        for (p, d) in rows {
            let (p, _) = S::as_simd_f32s(&p[..width]);
            let (d, _) = S::as_mut_simd_f32s(&mut d[..width]);
            let mut dot = simd.splat_f32s(0.0);
            for (&p, &d) in p.iter().zip(d.iter()) {
                dot = simd.mul_add_e_f32s(p, d, dot);
            }
            let dot = simd.splat_f32s(simd.reduce_sum_f32s(dot));
            for (&p, d) in p.iter().zip(d) {
                *d = simd.mul_f32s(p, simd.sub_f32s(*d, dot));
            }
        }
    }
}
