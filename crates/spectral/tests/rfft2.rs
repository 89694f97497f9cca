//! The two-dimensional transform against its definition, its properties, types and refusals.

mod common;

use candle_core::{DType, Device, Tensor};
use common::{dot, gradient};
use proptest::prelude::*;
use spectralkd_spectral::oracle::{self, Complex64};
use spectralkd_spectral::properties::norms;
use spectralkd_spectral::{Norm, rfft2, rfft2_by_matrices};
use spectralkd_testing::{bits, distance, flat, on_pools, tensor};

/// The half spectra of every plane of an f64 tensor [..., H, W], by definition.
fn by_definition(x: &Tensor, norm: Norm) -> Vec<Vec<Complex64>> {
    let dims = x.dims();
    let (h, w) = (dims[dims.len() - 2], dims[dims.len() - 1]);
    flat(x)
        .chunks_exact(h * w)
        .map(|plane| oracle::rfft2(plane, h, w, norm))
        .collect()
}

/// The half spectra of every plane by `rfft2`, in any precision.
fn by_transform(x: &Tensor, norm: Norm) -> Vec<Vec<Complex64>> {
    let spectrum = rfft2(x, norm).unwrap();
    let (re, im) = (flat(&spectrum.re().unwrap()), flat(&spectrum.im().unwrap()));
    let dims = spectrum.as_tensor().dims().to_vec();
    let size = dims[dims.len() - 2] * dims[dims.len() - 1];
    let all: Vec<_> = re
        .into_iter()
        .zip(im)
        .map(|(re, im)| Complex64::new(re, im))
        .collect();
    all.chunks_exact(size).map(<[Complex64]>::to_vec).collect()
}

fn assert_agrees(x: &Tensor, norm: Norm, tolerance: f64) {
    let (h, w) = (x.dims()[x.rank() - 2], x.dims()[x.rank() - 1]);
    let (fast, slow) = (by_transform(x, norm), by_definition(x, norm));
    assert_eq!(fast.len(), slow.len());
    for (fast, slow) in fast.iter().zip(&slow) {
        assert_eq!(fast.len(), slow.len());
        let scale = slow
            .iter()
            .map(|x| x.norm())
            .fold(f64::MIN_POSITIVE, f64::max);
        for (i, (a, b)) in fast.iter().zip(slow).enumerate() {
            assert!(
                (a - b).norm() <= tolerance * scale,
                "{h}x{w} {norm:?} at {i}: {a} against {b}"
            );
        }
    }
}

#[test]
fn every_size_up_to_64_agrees_with_the_definition() {
    for n in 1..=64 {
        for (h, w) in [(1, n), (n, 1), (n, 65 - n)] {
            let x = tensor(n as u64, &[2, h, w]);
            assert_agrees(&x, Norm::Backward, 1e-13);
            assert_agrees(&x.to_dtype(DType::F32).unwrap(), Norm::Ortho, 2e-6);
        }
    }
}

#[test]
fn strided_inputs_give_what_contiguous_ones_give() {
    let tokens = tensor(1, &[2, 30, 6]); // [B, N, C], as a transformer has it
    let features = tokens
        .transpose(1, 2)
        .unwrap()
        .reshape((2, 6, 5, 6))
        .unwrap();
    let views = [
        tokens
            .reshape((2, 5, 6, 6))
            .unwrap()
            .permute((0, 3, 1, 2))
            .unwrap(),
        features.transpose(2, 3).unwrap(),
        features.narrow(3, 1, 4).unwrap().narrow(2, 2, 3).unwrap(),
        features.narrow(1, 2, 3).unwrap().transpose(0, 1).unwrap(),
        tensor(2, &[5, 1]).broadcast_as((3, 5, 4)).unwrap(),
    ];
    for view in views {
        assert!(!view.is_contiguous());
        let copy = view.force_contiguous().unwrap();
        for x in [&view, &view.to_dtype(DType::F32).unwrap()] {
            assert_agrees(x, Norm::Ortho, 2e-6);
        }
        let strided = rfft2(&view, Norm::Ortho).unwrap().into_tensor();
        let packed = rfft2(&copy, Norm::Ortho).unwrap().into_tensor();
        assert_eq!(bits(&strided), bits(&packed));
    }
}

#[test]
fn half_types_are_computed_in_f32() {
    let x = tensor(3, &[2, 5, 6]);
    for dtype in [DType::F16, DType::BF16] {
        let rounded = x.to_dtype(dtype).unwrap();
        let spectrum = rfft2(&rounded, Norm::Ortho).unwrap().into_tensor();
        let expected = rfft2(&rounded.to_dtype(DType::F32).unwrap(), Norm::Ortho)
            .unwrap()
            .into_tensor();
        assert_eq!(spectrum.dtype(), DType::F32);
        assert_eq!(bits(&spectrum), bits(&expected));
        let slope = gradient(&rounded, |x| {
            rfft2(x, Norm::Ortho).unwrap().into_tensor().sum_all()
        });
        assert_eq!(slope.dtype(), dtype);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let x = tensor(4, &[37, 11, 14, 14]).to_dtype(DType::F32).unwrap();
    let results = on_pools(|| {
        let spectrum = rfft2(&x, Norm::Ortho).unwrap().into_tensor();
        let slope = gradient(&x, |x| {
            rfft2(x, Norm::Ortho)
                .unwrap()
                .into_tensor()
                .sqr()?
                .sum_all()
        });
        (bits(&spectrum), bits(&slope))
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn an_empty_batch_has_an_empty_spectrum() {
    let x = Tensor::zeros((0, 3, 4, 5), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(
        rfft2(&x, Norm::Ortho).unwrap().as_tensor().dims(),
        [2, 0, 3, 4, 3]
    );
}

#[test]
fn bad_inputs_are_errors_that_name_the_shape() {
    let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
    for transform in [rfft2, rfft2_by_matrices] {
        let message = |x: &Tensor| transform(x, Norm::Ortho).unwrap_err().to_string();
        assert!(message(&zeros(&[5], DType::F32)).contains("[..., H, W], got one of shape [5]"));
        assert!(
            message(&zeros(&[2, 0, 3], DType::F32)).contains("[2, 0, 3] has no elements along H")
        );
        assert!(
            message(&zeros(&[2, 3, 0], DType::F32)).contains("[2, 3, 0] has no elements along W")
        );
        assert!(message(&zeros(&[2, 3], DType::U32)).contains("got U32"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_the_definition(
        seed: u64, b in 1usize..4, h in 1usize..=24, w in 1usize..=24, norm in norms()
    ) {
        assert_agrees(&tensor(seed, &[b, h, w]), norm, 1e-13);
    }

    #[test]
    fn keeps_energy_as_parseval_says(
        seed: u64, h in 1usize..=64, w in 1usize..=64, norm in norms()
    ) {
        let x = tensor(seed, &[h, w]);
        let in_space = dot(&x, &x);
        let points = (h * w) as f64;
        let factor = match norm {
            Norm::Backward => points,
            Norm::Ortho => 1.0,
            Norm::Forward => 1.0 / points,
        };
        for half in by_transform(&x, norm) {
            let in_frequency = oracle::energy_of_half_spectrum(&half, w);
            prop_assert!((in_frequency / factor - in_space).abs() <= 1e-12 * in_space);
        }
    }

    #[test]
    fn is_linear(
        seed: u64, h in 1usize..=32, w in 1usize..=32, a in -3f64..3.0, b in -3f64..3.0,
        norm in norms(),
    ) {
        let (x, y) = (tensor(seed, &[2, h, w]), tensor(seed ^ 1, &[2, h, w]));
        let transform = |x: &Tensor| rfft2(x, norm).unwrap().into_tensor();
        let mixed = transform(&((&x * a).unwrap() + (&y * b).unwrap()).unwrap());
        let apart = ((transform(&x) * a).unwrap() + (transform(&y) * b).unwrap()).unwrap();
        prop_assert!(distance(&mixed, &apart) <= 1e-13 * (h * w) as f64);
    }

    #[test]
    fn the_matrix_path_agrees_in_value_and_gradient(
        seed: u64, h in 1usize..=20, w in 1usize..=20, norm in norms()
    ) {
        let (x, y) = (tensor(seed, &[3, 2, w, h]), tensor(seed ^ 1, &[2, 3, 2, h, w / 2 + 1]));
        let x = x.transpose(2, 3).unwrap();
        let fast = rfft2(&x, norm).unwrap();
        let dense = rfft2_by_matrices(&x, norm).unwrap();
        let scale = (h * w) as f64 * norm.scale(h * w);
        prop_assert!(distance(fast.as_tensor(), dense.as_tensor()) <= 1e-13 * scale);
        prop_assert_eq!((dense.width(), dense.height().unwrap(), dense.norm()), (w, h, norm));
        let [fast, dense] = [rfft2, rfft2_by_matrices].map(|transform| {
            gradient(&x, |x| transform(x, norm).unwrap().into_tensor().mul(&y)?.sum_all())
        });
        prop_assert!(distance(&fast, &dense) <= 1e-13 * scale);
    }
}
