//! What holds for any features.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use spectralkd_evaluation::compare::Measure;

use super::{noise, pair};

/// An orthogonal matrix `[n, n]`: a product of Householder reflections.
fn orthogonal(n: usize) -> Tensor {
    let mut q = Tensor::eye(n, DType::F64, &Device::Cpu).unwrap();
    for i in 0..3 {
        let v = noise(&format!("reflection {i}"), [n, 1, 1, 1])
            .reshape((n, 1))
            .unwrap();
        let length = v
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar::<f64>()
            .unwrap();
        let part = v.matmul(&v.t().unwrap()).unwrap().matmul(&q).unwrap();
        q = (q - (part * (2.0 / length)).unwrap()).unwrap();
    }
    q
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cka_ignores_rotation_scale_and_mean(
        n in 2..9usize, c in 1..4usize, h in 1..4usize, w in 1..4usize,
        scale in 0.01..100.0f64, seed in 0..1000u32,
    ) {
        let x = noise(&format!("x{seed}"), [n, c, h, w]);
        let y = noise(&format!("y{seed}"), [n, 2, 2, 3]);
        let flat = x.reshape((n, c * h * w)).unwrap();
        let turned = flat.matmul(&orthogonal(c * h * w)).unwrap();
        let moved = turned.affine(scale, 7.0).unwrap().reshape((n, c, h, w)).unwrap();
        let (plain, same) = (pair(&x, &y), pair(&moved, &y));
        prop_assert!((plain.cka.unwrap() - same.cka.unwrap()).abs() < 1e-9);
        prop_assert!((pair(&x, &moved).cka.unwrap() - 1.0).abs() < 1e-9);
        if let (Some(a), Some(b)) = (plain.cka_debiased, same.cka_debiased) {
            prop_assert!((a - b).abs() < 1e-6 * a.abs().max(1.0), "{} {}", a, b);
        }
    }

    #[test]
    fn measures_are_symmetric_and_zero_for_equals(
        n in 2..6usize, c in 1..6usize, d in 1..6usize, seed in 0..1000u32,
        size in (1..7usize, 1..7usize), other in (1..7usize, 1..7usize),
    ) {
        let x = noise(&format!("x{seed}"), [n, c, size.0, size.1]);
        let y = noise(&format!("y{seed}"), [n, d, other.0, other.1]);
        let (one, two) = (pair(&x, &y), pair(&y, &x));
        for measure in Measure::ALL {
            let (one, two) = (measure.of(&one).unwrap(), measure.of(&two).unwrap());
            prop_assert!((one - two).abs() <= 1e-12 * one.abs().max(1.0));
        }
        prop_assert!(one.cka.unwrap() >= 0.0 && one.cka.unwrap() <= 1.0);
        let same = pair(&x, &x);
        prop_assert_eq!((same.spectral_loss, same.mse, same.spectrum_distance), (0.0, 0.0, 0.0));
        prop_assert!((same.cka.unwrap() - 1.0).abs() < 1e-12);
        // The spectral loss lies between a quarter and all of the error.
        let ratio = one.spectral_loss / one.mse;
        prop_assert!(ratio > 0.249_999 && ratio < 1.0, "{}", ratio);
        prop_assert!(one.energy_dc + one.energy_nyquist <= one.energy * 1.000001);
    }
}
