//! Vector arithmetic on f32, written once and compiled for each instruction set.
//!
//! [`pulp`] chooses the instruction set at run time. A kernel takes an [`Arch`], so that
//! tests can run [`all`] of those that this machine has; everybody else passes [`best`].
//! Inside, a kernel is a [`WithSimd`] whose body is generic over [`Simd`]. Every helper
//! here is `inline(always)`: only then is it compiled with the caller's instruction set.
//! For the same reason element-wise functions are types ([`Map1`], [`Map2`]) and not
//! closures, which the optimiser may leave as calls. `mul_add_e` is one fused
//! instruction where there is one, and two plain ones elsewhere, never a call of libm.
//!
//! Sums run in a fixed order for a given instruction set: four accumulators of whole
//! vectors, then the lanes, then the tail.

use std::mem::MaybeUninit;

pub use pulp::{Arch, Simd, WithSimd};

/// The best instruction set that this machine has.
#[inline]
pub fn best() -> Arch {
    Arch::new()
}

/// Every instruction set that this machine has and pulp knows, the portable one first.
pub fn all() -> Vec<Arch> {
    let mut sets = vec![Arch::Scalar];
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        sets.extend(pulp::x86::V3::try_new().map(Arch::V3));
        sets.extend(pulp::x86::V4::try_new().map(Arch::V4));
    }
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    if !matches!(Arch::new(), Arch::Scalar) {
        sets.push(Arch::new());
    }
    sets
}

/// A function of one number, a vector at a time.
pub trait Map1: Copy {
    /// The function of every lane of `x`. Implementations must be `#[inline(always)]`.
    fn apply<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s;
}

/// A function of two numbers, a vector at a time.
pub trait Map2: Copy {
    /// The function of every pair of lanes. Implementations must be `#[inline(always)]`.
    fn apply<S: Simd>(self, simd: S, x: S::f32s, y: S::f32s) -> S::f32s;
}

/// `out[i] = f(x[i])`; all of `out` is written. Panics unless the lengths agree.
#[inline(always)]
pub fn map1<S: Simd>(simd: S, f: impl Map1, x: &[f32], out: &mut [MaybeUninit<f32>]) {
    assert_eq!(x.len(), out.len());
    let (x, x_tail) = S::as_simd_f32s(x);
    let (out, out_tail) = S::as_uninit_mut_simd_f32s(out);
    for (out, &x) in out.iter_mut().zip(x) {
        out.write(f.apply(simd, x));
    }
    if !x_tail.is_empty() {
        let last = f.apply(simd, simd.partial_load_f32s(x_tail));
        write_lanes(simd, last, out_tail);
    }
}

/// `out[i] = f(x[i], y[i])`; all of `out` is written. Panics unless the lengths agree.
#[inline(always)]
pub fn map2<S: Simd>(simd: S, f: impl Map2, x: &[f32], y: &[f32], out: &mut [MaybeUninit<f32>]) {
    assert!(x.len() == out.len() && y.len() == out.len());
    let (x, x_tail) = S::as_simd_f32s(x);
    let (y, y_tail) = S::as_simd_f32s(y);
    let (out, out_tail) = S::as_uninit_mut_simd_f32s(out);
    for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
        out.write(f.apply(simd, x, y));
    }
    if !x_tail.is_empty() {
        let (x, y) = (
            simd.partial_load_f32s(x_tail),
            simd.partial_load_f32s(y_tail),
        );
        write_lanes(simd, f.apply(simd, x, y), out_tail);
    }
}

/// Writes the first `out.len()` lanes of `x`. `out` is shorter than a vector.
#[inline(always)]
pub fn write_lanes<S: Simd>(simd: S, x: S::f32s, out: &mut [MaybeUninit<f32>]) {
    let mut lanes = [0.0f32; 64];
    let lanes = &mut lanes[..out.len()];
    simd.partial_store_f32s(lanes, x);
    for (out, &lane) in out.iter_mut().zip(lanes.iter()) {
        out.write(lane);
    }
}

/// The sum of `x`.
#[inline(always)]
pub fn sum<S: Simd>(simd: S, x: &[f32]) -> f32 {
    let (vectors, tail) = S::as_simd_f32s(x);
    let (fours, rest) = vectors.as_chunks::<4>();
    let zero = simd.splat_f32s(0.0);
    let mut acc = [zero; 4];
    for four in fours {
        for (acc, &v) in acc.iter_mut().zip(four) {
            *acc = simd.add_f32s(*acc, v);
        }
    }
    for &v in rest {
        acc[0] = simd.add_f32s(acc[0], v);
    }
    if !tail.is_empty() {
        acc[3] = simd.add_f32s(acc[3], simd.partial_load_f32s(tail));
    }
    fold(simd, acc)
}

/// The scalar product of `x` and `y`. Panics unless the lengths agree.
#[inline(always)]
pub fn dot<S: Simd>(simd: S, x: &[f32], y: &[f32]) -> f32 {
    assert_eq!(x.len(), y.len());
    let (x, x_tail) = S::as_simd_f32s(x);
    let (y, y_tail) = S::as_simd_f32s(y);
    let (x4, x_rest) = x.as_chunks::<4>();
    let (y4, y_rest) = y.as_chunks::<4>();
    let zero = simd.splat_f32s(0.0);
    let mut acc = [zero; 4];
    for (x, y) in x4.iter().zip(y4) {
        for ((acc, &x), &y) in acc.iter_mut().zip(x).zip(y) {
            *acc = simd.mul_add_e_f32s(x, y, *acc);
        }
    }
    for (&x, &y) in x_rest.iter().zip(y_rest) {
        acc[0] = simd.mul_add_e_f32s(x, y, acc[0]);
    }
    if !x_tail.is_empty() {
        let (x, y) = (
            simd.partial_load_f32s(x_tail),
            simd.partial_load_f32s(y_tail),
        );
        acc[3] = simd.mul_add_e_f32s(x, y, acc[3]);
    }
    fold(simd, acc)
}

/// The largest of `x`; negative infinity if `x` is empty. NaN is skipped or returned,
/// as the instruction set has it.
#[inline(always)]
pub fn max<S: Simd>(simd: S, x: &[f32]) -> f32 {
    let (vectors, tail) = S::as_simd_f32s(x);
    let mut acc = simd.splat_f32s(f32::NEG_INFINITY);
    for &v in vectors {
        acc = simd.max_f32s(acc, v);
    }
    let largest = simd.reduce_max_f32s(acc);
    tail.iter().fold(largest, |a, &b| if b > a { b } else { a })
}

#[inline(always)]
fn fold<S: Simd>(simd: S, acc: [S::f32s; 4]) -> f32 {
    let left = simd.add_f32s(acc[0], acc[1]);
    let right = simd.add_f32s(acc[2], acc[3]);
    simd.reduce_sum_f32s(simd.add_f32s(left, right))
}

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
    // Selections rather than `min` and `max`, which lose NaN on some machines.
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
