//! Helpers that the integration tests of this crate share.
#![allow(dead_code)] // every test binary uses its own part of them

use candle_core::{DType, Device, Result, Tensor, Var};

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

/// The bit patterns of the elements, for comparisons to the bit.
pub fn bits(x: &Tensor) -> Vec<u64> {
    flat(x).into_iter().map(f64::to_bits).collect()
}

pub fn dot(a: &Tensor, b: &Tensor) -> f64 {
    flat(a).iter().zip(flat(b)).map(|(a, b)| a * b).sum()
}

/// The largest difference between two tensors of one shape.
pub fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let pairs = flat(a).into_iter().zip(flat(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The gradient of a scalar function by candle's backward pass.
pub fn gradient(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Tensor {
    let x = Var::from_tensor(x).unwrap();
    let gradients = f(&x).unwrap().backward().unwrap();
    gradients.get(&x).unwrap().clone()
}

/// Compares the gradient of a scalar function of an f64 tensor with central differences, element by
/// element.
pub fn assert_gradient(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) {
    let by_backward = flat(&gradient(x, &f));
    let (at, step) = (flat(x), 1e-5);
    let value = |values: Vec<f64>| {
        let x = Tensor::from_vec(values, x.shape(), &Device::Cpu).unwrap();
        f(&x).unwrap().to_scalar::<f64>().unwrap()
    };
    for i in 0..at.len() {
        let nudged = |by: f64| {
            let mut values = at.clone();
            values[i] += by;
            value(values)
        };
        let by_difference = (nudged(step) - nudged(-step)) / (2.0 * step);
        let error = (by_backward[i] - by_difference).abs();
        assert!(
            error <= 1e-7 * (1.0 + by_difference.abs()),
            "element {i}: backward {}, central difference {by_difference}",
            by_backward[i]
        );
    }
}

/// Runs `f` on thread pools of several sizes and returns what each gave.
pub fn on_pools<R: Send>(f: impl Fn() -> R + Sync) -> Vec<R> {
    let pool = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    };
    [1, 2, 3, 7]
        .into_iter()
        .map(|threads| pool(threads).install(&f))
        .collect()
}
