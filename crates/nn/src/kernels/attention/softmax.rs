//! The softmax over padded rows in scratch, and its gradient. Rows are whole vectors.

use pulp::{Simd, WithSimd};

use crate::kernels::simd;

/// Rows that take each step together, so that the processor has other work while the lanes
/// of one row's maximum or sum come together.
const ROWS: usize = 8;

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
        let last = width - S::F32_LANES;
        let inside = simd.mask_between_m32s(0, (self.n - last) as u32).mask();
        let least = simd.splat_f32s(f32::NEG_INFINITY);
        let zero = simd.splat_f32s(0.0);
        for rows in self.x.chunks_mut(ROWS * self.stride) {
            let mut of_row = [0.0f32; ROWS];
            for (row, largest) in rows.chunks_exact(self.stride).zip(&mut of_row) {
                let (vectors, _) = S::as_simd_f32s(&row[..width]);
                let Some((&last, vectors)) = vectors.split_last() else {
                    continue;
                };
                let max = vectors.iter().fold(least, |max, &x| simd.max_f32s(max, x));
                let max = simd.max_f32s(max, simd.select_f32s(inside, last, least));
                *largest = simd.reduce_max_f32s(max);
            }
            for (row, number) in rows.chunks_exact_mut(self.stride).zip(&mut of_row) {
                let (vectors, _) = S::as_mut_simd_f32s(&mut row[..width]);
                let Some((last, vectors)) = vectors.split_last_mut() else {
                    continue;
                };
                let max = simd.splat_f32s(*number);
                let mut sum = zero;
                for x in vectors {
                    *x = exp_of_nonpositive(simd, simd.sub_f32s(*x, max));
                    sum = simd.add_f32s(sum, *x);
                }
                let x = exp_of_nonpositive(simd, simd.sub_f32s(*last, max));
                *last = simd.select_f32s(inside, x, zero);
                *number = simd.reduce_sum_f32s(simd.add_f32s(sum, *last));
            }
            for (row, sum) in rows.chunks_exact_mut(self.stride).zip(of_row) {
                let (vectors, _) = S::as_mut_simd_f32s(&mut row[..width]);
                let inverse = simd.splat_f32s(1.0 / sum);
                for x in vectors {
                    *x = simd.mul_f32s(*x, inverse);
                }
            }
        }
    }
}

/// e^x of x <= 0, to a relative error of 1.5e-7 + 2e-8 |x| (1e-7 |x| without a fused
/// multiply-add), which is less than a score of x carries itself. Under -87 it is 0. NaN stays
/// NaN.
///
/// Two thirds of the instructions of [`simd::exp`], and its constants stay in registers: with
/// t = x log2(e) = n + f, |f| <= 1/2, it is 2^n p(f), where p approximates 2^f to 2e-9 (degree
/// 6, by Remez' exchange for the relative error) and 2^n is made of its exponent's bits.
#[inline(always)]
pub(super) fn exp_of_nonpositive<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    /// 1.5 * 2^23: adding it rounds to a whole number, which the low bits then hold.
    const ROUND: f32 = 12_582_912.0;
    let (round, log2_e) = (
        simd.splat_f32s(ROUND),
        simd.splat_f32s(std::f32::consts::LOG2_E),
    );
    let shifted = simd.mul_add_e_f32s(x, log2_e, round);
    let n = simd.sub_f32s(shifted, round);
    let f = simd.mul_add_e_f32s(x, log2_e, simd.neg_f32s(n));
    let c = [
        1.0,
        std::f32::consts::LN_2,
        0.240_226_46,
        0.055_503_286,
        0.009_618_489,
        0.001_339_993_2,
        0.000_153_458_27,
    ];
    let p = simd::polynomial(simd, f, c);
    let exponent = simd.add_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(127));
    let power = simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23));
    let result = simd.mul_f32s(p, simd.transmute_f32s_u32s(power));
    // Beyond -87, n and the bits are meaningless.
    let tiny = simd.less_than_f32s(x, simd.splat_f32s(-87.0));
    simd.select_f32s(tiny, simd.splat_f32s(0.0), result)
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
