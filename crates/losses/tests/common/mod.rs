//! Helpers that the integration tests of this crate share.
#![allow(dead_code)] // every test binary uses its own part of them

pub mod case;

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var};
use spectralkd_losses::Result;

/// `n` reproducible values in [-1, 1) (SplitMix64).
pub fn values(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut draw = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) >> 11
    };
    (0..n)
        .map(|_| draw() as f64 / (1u64 << 52) as f64 - 1.0)
        .collect()
}

/// A reproducible f64 tensor on the CPU.
pub fn tensor(seed: u64, shape: &[usize]) -> Tensor {
    Tensor::from_vec(values(seed, shape.iter().product()), shape, &Device::Cpu).unwrap()
}

/// The elements in row-major order, as f64.
pub fn flat(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

/// The value of a scalar tensor, as f64.
pub fn scalar(x: &Tensor) -> f64 {
    x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

/// Value and gradient of a scalar function.
pub fn value_and_gradient(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> (f64, Tensor) {
    let x = Var::from_tensor(x).unwrap();
    let loss = f(&x).unwrap();
    let gradients = loss.backward().unwrap();
    (scalar(&loss), gradients.get(&x).unwrap().clone())
}

/// Holds two tensors of one shape together, element by element, relative to the largest element.
pub fn assert_close(a: &Tensor, b: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(a.dims(), b.dims(), "{what}");
    let (a, b) = (flat(a), flat(b));
    let scale = b.iter().fold(1e-300f64, |scale, b| scale.max(b.abs()));
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * scale,
            "{what}, element {i}: {a} against {b}"
        );
    }
}

/// Holds two numbers together, relative to the second.
pub fn assert_near(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!(
        (a - b).abs() <= tolerance * b.abs(),
        "{what}: {a} against {b}"
    );
}

/// Compares the gradient of a scalar function of an f64 tensor with central differences, element by
/// element.
pub fn assert_gradient(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) {
    let by_backward = flat(&value_and_gradient(x, &f).1);
    let by_difference = step_gradient(x, |x| scalar(&f(x).unwrap()));
    for (i, (backward, difference)) in by_backward.into_iter().zip(by_difference).enumerate() {
        let error = (backward - difference).abs();
        assert!(
            error <= 1e-7 * (1.0 + difference.abs()),
            "element {i}: backward {backward}, central difference {difference}",
        );
    }
}

/// The gradient of a function of an f64 tensor by central differences, in row-major order.
pub fn step_gradient(x: &Tensor, f: impl Fn(&Tensor) -> f64) -> Vec<f64> {
    let (at, step) = (flat(x), 1e-5);
    let slope = |i: usize| {
        let nudged = |by: f64| {
            let mut values = at.clone();
            values[i] += by;
            f(&Tensor::from_vec(values, x.shape(), &Device::Cpu).unwrap())
        };
        (nudged(step) - nudged(-step)) / (2.0 * step)
    };
    (0..at.len()).map(slope).collect()
}

/// A golden file of `tests/golden/`.
pub fn golden(name: &str) -> HashMap<String, Tensor> {
    let path = format!(
        "{}/tests/golden/{name}.safetensors",
        env!("CARGO_MANIFEST_DIR")
    );
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}
