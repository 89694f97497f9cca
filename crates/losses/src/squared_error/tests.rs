//! The fused op against its composition, its gradients and its determinism.

use candle_core::{DType, Device, Result, Tensor, Var};
use spectralkd_testing::flat;

use super::{Weights, composed, squared_error};

fn wave(shape: &[usize], step: f64) -> Tensor {
    let count = shape.iter().product::<usize>();
    let values: Vec<f64> = (0..count).map(|i| (1.0 + i as f64 * step).sin()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn weights(dims: &[usize]) -> [Weights; 3] {
    let odd = Weights {
        scale: 0.3,
        dc: 2.0,
        nyquist: -0.5,
    };
    [Weights::mean(dims), Weights::half_spectrum(dims), odd]
}

#[test]
fn both_gradients_agree_with_the_composed_path_at_any_strides() {
    for (h, w) in [(1, 1), (3, 1), (1, 2), (4, 5), (5, 8), (2, 300), (7, 257)] {
        for weights in weights(&[2, 3, h, w]) {
            // One operand transposed and one cut out of a larger tensor.
            let a = Var::from_tensor(&wave(&[2, w, h, 3], 0.7)).unwrap();
            let b = Var::from_tensor(&wave(&[2, 3, h, w + 1], 0.9)).unwrap();
            let run = |f: fn(&Tensor, &Tensor, Weights) -> Result<Tensor>| {
                let (a_view, b_view) =
                    (a.permute((0, 3, 2, 1)).unwrap(), b.narrow(3, 1, w).unwrap());
                let value = f(&a_view, &b_view, weights).unwrap();
                let gradients = (&value * 1.5).unwrap().backward().unwrap();
                let of = |x: &Var| flat(gradients.get(x).unwrap());
                (value.to_scalar::<f64>().unwrap(), of(&a), of(&b))
            };
            let (fused, expected) = (run(squared_error), run(composed));
            assert!(
                (fused.0 - expected.0).abs() <= 1e-13 * expected.0.abs(),
                "{h}x{w}: {weights:?}"
            );
            for (fused, expected) in [(fused.1, expected.1), (fused.2, expected.2)] {
                for (a, b) in fused.into_iter().zip(expected) {
                    assert!(
                        (a - b).abs() <= 1e-13,
                        "{h}x{w} {weights:?}: {a} against {b}"
                    );
                }
            }
        }
    }
}

#[test]
fn gradients_go_only_to_tracked_arguments() {
    let (a, b) = (
        wave(&[2, 3, 4], 0.7),
        Var::from_tensor(&wave(&[2, 3, 4], 0.9)).unwrap(),
    );
    let error = squared_error(&a, &b, Weights::mean(&[2, 3, 4])).unwrap();
    let gradients = error.backward().unwrap();
    assert!(gradients.get(&a).is_none());
    let by_hand = ((b.as_tensor() - &a).unwrap() * (2.0 / 24.0)).unwrap();
    for (a, b) in flat(gradients.get(&b).unwrap())
        .into_iter()
        .zip(flat(&by_hand))
    {
        assert!((a - b).abs() < 1e-16);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (a, b) = (wave(&[300, 11, 14, 14], 0.7), wave(&[300, 11, 14, 14], 0.9));
    let (a, b) = (
        a.to_dtype(DType::F32).unwrap(),
        b.to_dtype(DType::F32).unwrap(),
    );
    let a = Var::from_tensor(&a).unwrap();
    let results: Vec<_> = [1, 2, 3, 7]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let error = squared_error(&a, &b, Weights::half_spectrum(a.dims())).unwrap();
                let gradient = error.backward().unwrap().get(&a).unwrap().clone();
                let gradient = flat(&gradient)
                    .into_iter()
                    .map(f64::to_bits)
                    .collect::<Vec<_>>();
                (error.to_scalar::<f32>().unwrap().to_bits(), gradient)
            })
        })
        .collect();
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn tensors_of_two_shapes_are_an_error() {
    let error = squared_error(
        &wave(&[2, 3], 0.7),
        &wave(&[3, 2], 0.7),
        Weights::mean(&[2, 3]),
    );
    assert!(error.unwrap_err().to_string().contains("[2, 3] and [3, 2]"));
}
