//! The vector functions on every instruction set of this machine, against f64.

use std::mem::MaybeUninit;

use spectralkd_nn::kernels::simd::{self, Arch, Map1, Simd, WithSimd};
use spectralkd_nn::kernels::storage::filled;

#[derive(Clone, Copy)]
enum Function {
    Exp,
    Cdf,
    Density,
}

impl Map1 for Function {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        match self {
            Self::Exp => simd::exp(simd, x),
            Self::Cdf => simd::normal(simd, x).0,
            Self::Density => simd::normal(simd, x).1,
        }
    }
}

struct Run<'a>(Function, &'a [f32], &'a mut [MaybeUninit<f32>]);

impl WithSimd for Run<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        simd::map1(simd, self.0, self.1, self.2);
    }
}

fn run(arch: Arch, function: Function, x: &[f32]) -> Vec<f32> {
    // SAFETY: `map1` writes every element.
    unsafe { filled(x.len(), |out| arch.dispatch(Run(function, x, out))) }
}

/// The distance of `got` from `want` in units in the last place of `want`.
fn ulps(got: f32, want: f64) -> f64 {
    let rounded = want as f32;
    let unit = f64::from(f32::from_bits(rounded.abs().to_bits() + 1)) - f64::from(rounded.abs());
    (f64::from(got) - want).abs() / unit
}

#[test]
fn exp_is_good_to_two_units_in_the_last_place() {
    let x: Vec<f32> = (-86_000..88_700)
        .map(|i| i as f32 * 1e-3 + 1.7e-4)
        .collect();
    for arch in simd::all() {
        for (&x, &y) in x.iter().zip(&run(arch, Function::Exp, &x)) {
            let error = ulps(y, f64::from(x).exp());
            assert!(
                error <= 2.0,
                "{arch:?}: exp({x}) = {y} is off by {error} ulp"
            );
        }
    }
}

#[test]
fn exp_at_the_edges() {
    let x = [
        0.0,
        -0.0,
        -1000.0,
        f32::NEG_INFINITY,
        88.72,
        88.73,
        1000.0,
        f32::INFINITY,
        f32::NAN,
    ];
    for arch in simd::all() {
        let y = run(arch, Function::Exp, &x);
        assert_eq!((y[0], y[1]), (1.0, 1.0), "{arch:?}");
        assert_eq!((y[2], y[3]), (0.0, 0.0), "{arch:?}");
        assert!(y[4].is_finite(), "{arch:?}: exp(88.72) = {}", y[4]);
        assert_eq!(y[5..8], [f32::INFINITY; 3], "{arch:?}");
        assert!(y[8].is_nan(), "{arch:?}: exp(NaN) = {}", y[8]);
    }
}

#[test]
fn normal_distribution_is_good_in_the_middle_and_in_the_tail() {
    let x: Vec<f32> = (-60_000..60_000)
        .map(|i| i as f32 * 1e-4 + 3.1e-5)
        .collect();
    for arch in simd::all() {
        let cdf = run(arch, Function::Cdf, &x);
        let density = run(arch, Function::Density, &x);
        for ((&x, &cdf), &density) in x.iter().zip(&cdf).zip(&density) {
            let wide = f64::from(x);
            let want = 0.5 * libm::erfc(-wide / 2f64.sqrt());
            let error = (f64::from(cdf) - want).abs();
            assert!(error < 1.5e-7, "{arch:?}: cdf({x}) is off by {error:e}");
            assert!(
                error < 3e-6 * want,
                "{arch:?}: cdf({x}) = {cdf}, not {want}"
            );
            let want = (-0.5 * wide * wide).exp() / std::f64::consts::TAU.sqrt();
            let error = (f64::from(density) - want).abs();
            assert!(
                error < 3e-6 * want,
                "{arch:?}: density({x}) = {density}, not {want}"
            );
        }
        let edges = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, 40.0, -40.0];
        let cdf = run(arch, Function::Cdf, &edges);
        assert!(cdf[0].is_nan(), "{arch:?}");
        assert_eq!(cdf[1..], [1.0, 0.0, 0.5, 1.0, 0.0], "{arch:?}");
    }
}

struct Sums<'a>(&'a [f32], &'a [f32]);

impl WithSimd for Sums<'_> {
    type Output = [f32; 3];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; 3] {
        [
            simd::sum(simd, self.0),
            simd::dot(simd, self.0, self.1),
            simd::max(simd, self.0),
        ]
    }
}

#[test]
fn sums_of_every_length() {
    for len in 0..200 {
        let x: Vec<f32> = (0..len)
            .map(|i| ((i * 37 + 11) % 64) as f32 - 31.0)
            .collect();
        let y: Vec<f32> = (0..len)
            .map(|i| ((i * 29 + 5) % 32) as f32 - 15.0)
            .collect();
        // Small whole numbers: every order of additions gives the same, exact sum.
        let sum: f32 = x.iter().sum();
        let dot: f32 = x.iter().zip(&y).map(|(a, b)| a * b).sum();
        let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for arch in simd::all() {
            assert_eq!(
                arch.dispatch(Sums(&x, &y)),
                [sum, dot, max],
                "{arch:?}, {len} numbers"
            );
        }
    }
}
