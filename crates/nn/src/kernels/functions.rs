//! Functions of whole f32 vectors: the exponential and the normal distribution.
//!
//! Each is `inline(always)`, branch-free, and keeps NaN (by selections: `min` and `max`
//! lose it on some machines). [`super::simd`] hands them on.

use super::simd::Simd;

/// `c[0] + c[1] x + c[2] x^2 + ...` by Horner's rule.
#[inline(always)]
pub fn polynomial<S: Simd, const N: usize>(simd: S, x: S::f32s, c: [f32; N]) -> S::f32s {
    let mut acc = simd.splat_f32s(c[N - 1]);
    for i in (0..N - 1).rev() {
        acc = simd.mul_add_e_f32s(acc, x, simd.splat_f32s(c[i]));
    }
    acc
}

/// 1.5 * 2^23: adding it rounds to a whole number, which the low bits then hold.
const ROUND: f32 = 12_582_912.0;

/// e^x, to 2 units in the last place. Results under 2^-125 become 0; NaN stays NaN.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite's two-part ln 2); e^r is Cephes'
/// polynomial (Moshier, `expf.c`) and 2^n goes into the exponent, as 2^(n-1) times 2 so
/// that n = 128 passes.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (low, high) = (simd.splat_f32s(-87.0), simd.splat_f32s(89.0));
    let x = simd.select_f32s(simd.less_than_f32s(x, low), low, x);
    let x = simd.select_f32s(simd.greater_than_f32s(x, high), high, x);

    let round = simd.splat_f32s(ROUND);
    let shifted = simd.mul_add_e_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), round);
    let n = simd.sub_f32s(shifted, round);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-0.693_359_4), x);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(2.121_944_4e-4), r);

    let c = [
        0.5,
        1.666_666_5e-1,
        4.166_579_6e-2,
        8.333_452e-3,
        1.398_2e-3,
        1.987_569_1e-4,
    ];
    let q = polynomial(simd, r, c);
    let p = simd.mul_add_e_f32s(
        q,
        simd.mul_f32s(r, r),
        simd.add_f32s(r, simd.splat_f32s(1.0)),
    );

    let bits = simd.transmute_u32s_f32s(shifted);
    let exponent = simd.add_u32s(bits, simd.splat_u32s(126));
    let scale = simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23));
    let half = simd.mul_f32s(p, simd.transmute_f32s_u32s(scale));
    simd.add_f32s(half, half)
}

/// The standard normal distribution: (cdf, density) of x, the cdf to 1.5e-7 absolute and,
/// down to x = -6, 3e-6 relative. NaN stays NaN.
///
/// With a = |x|: cdf(-a) = e^(-a^2 / 2) R(a), where R(a) = erfcx(a / sqrt 2) / 2 is smooth
/// and needs a rational function only (fitted on 0..10 for this file; R ~ 0.4 / a beyond).
/// Its error shrinks with the exponential, where a rational erf(x) would lose the tail.
/// The exponential is 2^(n + f) with a polynomial for 2^f, |f| <= 1/2 (fitted too): it
/// need not be as exact as [`exp`] where it is small.
#[inline(always)]
pub fn normal<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    const DENSITY_AT_ZERO: f32 = 0.398_942_3;
    /// e^(-a^2 / 2) is 2^-127 here, whose exponent bits are 0: it comes out as 0.
    const FURTHEST: f32 = 13.27;
    let splat = |c| simd.splat_f32s(c);
    let a = simd.abs_f32s(x);
    let a = simd.select_f32s(
        simd.greater_than_f32s(a, splat(FURTHEST)),
        splat(FURTHEST),
        a,
    );

    let t = simd.mul_f32s(simd.mul_f32s(a, a), splat(-0.5 * std::f32::consts::LOG2_E));
    let shifted = simd.add_f32s(t, splat(ROUND));
    let f = simd.sub_f32s(t, simd.sub_f32s(shifted, splat(ROUND)));
    let c = [
        1.0,
        std::f32::consts::LN_2,
        2.402_228_1e-1,
        5.550_558_5e-2,
        9.669_712e-3,
        1.330_059e-3,
    ];
    let bits = simd.add_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(127));
    let scale = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
    let e = simd.mul_f32s(polynomial(simd, f, c), simd.transmute_f32s_u32s(scale));

    let p = polynomial(simd, a, [0.5, 3.259_046e-1, 9.991_437e-2, 1.264_340_5e-2]);
    let q = [
        1.0,
        1.449_692_3,
        8.565_319e-1,
        2.497_475_3e-1,
        3.172_036_3e-2,
    ];
    let tail = simd.mul_f32s(e, simd.div_f32s(p, polynomial(simd, a, q)));
    let above = simd.sub_f32s(splat(1.0), tail);
    let cdf = simd.select_f32s(simd.greater_than_f32s(x, splat(0.0)), above, tail);
    (cdf, simd.mul_f32s(e, splat(DENSITY_AT_ZERO)))
}
