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

pub use super::functions::{exp, normal, polynomial};

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
