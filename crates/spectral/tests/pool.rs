//! Adaptive average pooling over channels against its definition.

mod common;

use candle_core::{DType, Device, Tensor, Var};
use common::{dot, gradient};
use proptest::prelude::*;
use spectralkd_spectral::{adaptive_avg_pool_channels, adaptive_bin, oracle};
use spectralkd_testing::{assert_gradient, bits, flat, on_pools, tensor};

#[test]
fn bins_are_pytorchs() {
    let bins = |inputs, outputs| {
        (0..outputs)
            .map(|i| adaptive_bin(i, inputs, outputs))
            .collect::<Vec<_>>()
    };
    assert_eq!(bins(8, 4), [0..2, 2..4, 4..6, 6..8]);
    assert_eq!(bins(10, 4), [0..3, 2..5, 5..8, 7..10]);
    assert_eq!(bins(7, 3), [0..3, 2..5, 4..7]);
    assert_eq!(bins(2, 5), [0..1, 0..1, 0..2, 1..2, 1..2]);
    assert_eq!(bins(384, 192)[191], 382..384);
}

#[test]
fn equal_channels_are_the_tensor_itself() {
    let x = Var::from_tensor(&tensor(1, &[2, 3, 4, 5])).unwrap();
    let pooled = adaptive_avg_pool_channels(&x, 3).unwrap();
    assert_eq!(pooled.id(), x.id());
}

#[test]
fn gradients_agree_with_finite_differences() {
    for (inputs, outputs) in [(8, 4), (10, 4), (7, 3), (5, 1), (3, 5)] {
        let x = tensor(2, &[2, inputs, 2, 3]);
        let weights = tensor(3, &[2, outputs, 2, 3]);
        assert_gradient(&x, |x| {
            let pooled = adaptive_avg_pool_channels(x, outputs).unwrap();
            ((&pooled * &pooled)? + pooled.sin()?)?
                .mul(&weights)?
                .sum_all()
        });
    }
}

#[test]
fn half_types_keep_their_type() {
    let x = tensor(4, &[1, 6, 2, 2]);
    for dtype in [DType::F16, DType::BF16] {
        let rounded = x.to_dtype(dtype).unwrap();
        let pooled = adaptive_avg_pool_channels(&rounded, 4).unwrap();
        let exact = adaptive_avg_pool_channels(&rounded.to_dtype(DType::F32).unwrap(), 4).unwrap();
        assert_eq!(pooled.dtype(), dtype);
        assert_eq!(bits(&pooled), bits(&exact.to_dtype(dtype).unwrap()));
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let x = tensor(5, &[33, 10, 14, 14]).to_dtype(DType::F32).unwrap();
    let results = on_pools(|| {
        let slope = gradient(&x, |x| {
            adaptive_avg_pool_channels(x, 4).unwrap().sqr()?.sum_all()
        });
        (
            bits(&adaptive_avg_pool_channels(&x, 4).unwrap()),
            bits(&slope),
        )
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn bad_inputs_are_errors_that_name_the_shape() {
    let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
    let message = |x: &Tensor, channels| {
        adaptive_avg_pool_channels(x, channels)
            .unwrap_err()
            .to_string()
    };
    assert!(message(&zeros(&[3, 4], DType::F32), 2).contains("shape [3, 4]"));
    assert!(message(&zeros(&[2, 0, 3, 4], DType::F32), 2).contains("no elements along C"));
    assert!(message(&zeros(&[2, 3, 4, 4], DType::F32), 0).contains("[2, 3, 4, 4] to 0 channels"));
    assert!(message(&zeros(&[2, 3, 4, 4], DType::U8), 2).contains("got U8"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_the_definition(
        seed: u64, b in 1usize..3, inputs in 1usize..=64, outputs in 1usize..=64,
        h in 1usize..4, w in 1usize..4,
    ) {
        let x = tensor(seed, &[b, inputs, h, w]);
        let pooled = adaptive_avg_pool_channels(&x, outputs).unwrap();
        prop_assert_eq!(pooled.dims(), [b, outputs, h, w]);
        // Channels last, in a tensor without batch axis too.
        let last = |x: &Tensor| flat(&x.permute((0, 2, 3, 1)).unwrap());
        let expected: Vec<f64> = last(&x)
            .chunks_exact(inputs)
            .flat_map(|vector| oracle::adaptive_avg_pool(vector, outputs))
            .collect();
        for (a, b) in last(&pooled).into_iter().zip(expected) {
            prop_assert!((a - b).abs() < 1e-14);
        }
        let first = adaptive_avg_pool_channels(&x.get(0).unwrap(), outputs).unwrap();
        prop_assert_eq!(bits(&first), bits(&pooled.get(0).unwrap()));
    }

    #[test]
    fn the_gradient_is_the_adjoint(seed: u64, inputs in 1usize..=40, outputs in 1usize..=40) {
        let (x, y) = (tensor(seed, &[2, inputs, 3, 2]), tensor(seed ^ 1, &[2, outputs, 3, 2]));
        let image = adaptive_avg_pool_channels(&x, outputs).unwrap();
        let pool = |x: &Tensor| adaptive_avg_pool_channels(x, outputs).unwrap();
        let pulled = gradient(&x, |x| pool(x).mul(&y)?.sum_all());
        prop_assert!((dot(&image, &y) - dot(&x, &pulled)).abs() < 1e-12);
    }

    #[test]
    fn strides_do_not_matter(seed: u64, inputs in 2usize..=20, outputs in 1usize..=20) {
        let last = tensor(seed, &[2, 3, 4, inputs + 1]).narrow(3, 1, inputs).unwrap();
        let view = last.permute((0, 3, 2, 1)).unwrap();
        let strided = adaptive_avg_pool_channels(&view, outputs).unwrap();
        let copy = view.force_contiguous().unwrap();
        let packed = adaptive_avg_pool_channels(&copy, outputs).unwrap();
        prop_assert_eq!(bits(&strided), bits(&packed));
    }
}
