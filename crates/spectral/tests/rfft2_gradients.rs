//! Gradients of the two-dimensional transform.

mod common;

use candle_core::{DType, Device, Tensor};
use common::{dot, gradient};
use proptest::prelude::*;
use spectralkd_spectral::properties::norms;
use spectralkd_spectral::{Norm, rfft2};
use spectralkd_testing::{assert_gradient, flat, tensor};

#[test]
fn gradients_agree_with_finite_differences() {
    for (h, w) in [(1, 1), (1, 2), (2, 1), (3, 4), (4, 3), (5, 8), (7, 7)] {
        for norm in [Norm::Backward, Norm::Ortho, Norm::Forward] {
            let x = tensor(5, &[1, 2, h, w]);
            let weights = tensor(6, &[2, 1, 2, h, w / 2 + 1]);
            assert_gradient(&x, |x| {
                let spectrum = rfft2(x, norm).unwrap().into_tensor();
                ((&spectrum * &spectrum)? + spectrum.sin()?)?
                    .mul(&weights)?
                    .sum_all()
            });
        }
    }
}

#[test]
fn amplitudes_have_gradients_even_at_zero() {
    let x = tensor(7, &[2, 3, 4]);
    assert_gradient(&x, |x| {
        rfft2(x, Norm::Ortho)
            .unwrap()
            .amplitude()
            .unwrap()
            .sqr()?
            .sum_all()
    });
    assert_gradient(&x, |x| {
        rfft2(x, Norm::Ortho)
            .unwrap()
            .amplitude()
            .unwrap()
            .sum_all()
    });
    let silence = Tensor::zeros((2, 3, 4), DType::F64, &Device::Cpu).unwrap();
    let slope = gradient(&silence, |x| {
        rfft2(x, Norm::Ortho)
            .unwrap()
            .amplitude()
            .unwrap()
            .sum_all()
    });
    assert!(flat(&slope).iter().all(|&x| x == 0.0), "{slope}");
}

#[test]
fn a_gradient_that_arrives_strided_is_read_right() {
    // The gradient of `transpose` is a transposed view.
    let (x, weights) = (tensor(8, &[2, 4, 5]), tensor(9, &[3, 4, 2, 2]));
    assert_gradient(&x, |x| {
        let spectrum = rfft2(x, Norm::Ortho).unwrap().into_tensor();
        spectrum
            .transpose(0, 3)?
            .transpose(1, 2)?
            .mul(&weights)?
            .sum_all()
    });
}

#[test]
fn the_gradient_is_the_transpose_of_the_transforms_matrix() {
    let (h, w) = (3, 4);
    let bins = 2 * h * (w / 2 + 1);
    let basis = |n: usize, i: usize, shape: &[usize]| {
        let mut values = vec![0f64; n];
        values[i] = 1.0;
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    for row in 0..bins {
        let y = basis(bins, row, &[2, h, w / 2 + 1]);
        let x = Tensor::zeros((h, w), DType::F64, &Device::Cpu).unwrap();
        let pulled = flat(&gradient(&x, |x| {
            rfft2(x, Norm::Ortho)
                .unwrap()
                .into_tensor()
                .mul(&y)?
                .sum_all()
        }));
        for (column, pulled) in pulled.into_iter().enumerate() {
            let pushed = rfft2(&basis(h * w, column, &[h, w]), Norm::Ortho).unwrap();
            let pushed = flat(pushed.as_tensor())[row];
            assert!(
                (pulled - pushed).abs() < 1e-15,
                "({row}, {column}): {pulled} against {pushed}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_gradient_is_the_adjoint(seed: u64, h in 1usize..=64, w in 1usize..=64, norm in norms()) {
        let (x, y) = (tensor(seed, &[2, h, w]), tensor(seed ^ 1, &[2, 2, h, w / 2 + 1]));
        let image = rfft2(&x, norm).unwrap().into_tensor();
        // d<Fx, y>/dx = F* y
        let pulled = gradient(&x, |x| rfft2(x, norm).unwrap().into_tensor().mul(&y)?.sum_all());
        let (left, right) = (dot(&image, &y), dot(&x, &pulled));
        let size = (dot(&image, &image) * dot(&y, &y)).sqrt();
        prop_assert!((left - right).abs() <= 1e-13 * size, "<Fx, y> = {left}, <x, F*y> = {right}");
    }
}
