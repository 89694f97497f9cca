//! What the tests of the layers share: random tensors, comparisons, finite differences.
#![allow(dead_code)] // each test file uses its own part

use candle_core::{DType, Device, Tensor, Var};
use spectralkd_base::random::Stream;
use spectralkd_nn::kernels::storage::to_vec;

pub const CPU: Device = Device::Cpu;

/// `count` normal numbers of a seed.
pub fn normals(seed: u64, count: usize) -> Vec<f64> {
    let mut stream = Stream::new(seed, "test");
    (0..count).map(|_| stream.normal()).collect()
}

/// The same, as f32.
pub fn normals32(seed: u64, count: usize) -> Vec<f32> {
    normals(seed, count).iter().map(|&x| x as f32).collect()
}

/// A tensor of normal numbers.
pub fn tensor(seed: u64, shape: &[usize], dtype: DType) -> Tensor {
    let count = shape.iter().product();
    let tensor = Tensor::from_vec(normals(seed, count), shape, &CPU).unwrap();
    tensor.to_dtype(dtype).unwrap()
}

/// A variable of normal numbers.
pub fn var(seed: u64, shape: &[usize], dtype: DType) -> Var {
    Var::from_tensor(&tensor(seed, shape, dtype)).unwrap()
}

/// The largest difference, relative to the largest number of `want`.
pub fn difference(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1e-30, |a: f64, b| a.max(b.abs()));
    let pairs = got.iter().zip(want);
    let worst = pairs.fold(0.0, |a: f64, (g, w)| {
        let error = (g - w).abs();
        // NaN must not get lost in a maximum.
        if error.is_nan() {
            f64::INFINITY
        } else {
            a.max(error)
        }
    });
    worst / scale
}

/// A tensor's numbers as f64.
pub fn wide(tensor: &Tensor) -> Vec<f64> {
    to_vec(&tensor.to_dtype(DType::F64).unwrap()).unwrap()
}

/// f32 numbers as f64.
pub fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Asserts that two tensors agree in shape, and in value to `tolerance` of the largest.
#[track_caller]
pub fn assert_close(got: &Tensor, want: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(got.dims(), want.dims(), "{what}: shapes");
    let difference = difference(&wide(got), &wide(want));
    assert!(difference <= tolerance, "{what}: off by {difference:e}");
}

/// The gradients with respect to `vars` of sum(y weights), with fixed random weights, so
/// that the gradient arriving at `y` is no constant.
pub fn gradients(y: &Tensor, vars: &[&Var]) -> Vec<Tensor> {
    let weights = tensor(999, y.dims(), y.dtype());
    let grads = (y * weights)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    let gradient = |var: &&Var| grads.get(var.as_tensor()).expect("a gradient").clone();
    vars.iter().map(gradient).collect()
}

/// Checks the gradients of `f` with respect to `vars` (f64) against central differences
/// of sum(y weights), for at most 40 numbers of each variable.
#[track_caller]
pub fn check_finite_differences(f: impl Fn() -> Tensor, vars: &[&Var]) {
    let y = f();
    assert_eq!(y.dtype(), DType::F64, "finite differences need f64");
    let analytic = gradients(&y, vars);
    let weights = wide(&tensor(999, y.dims(), DType::F64));
    let value = || {
        wide(&f())
            .iter()
            .zip(&weights)
            .map(|(y, w)| y * w)
            .sum::<f64>()
    };
    for (number, (var, gradient)) in vars.iter().zip(&analytic).enumerate() {
        let (start, gradient) = (wide(var), wide(gradient));
        let scale = gradient.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
        for i in (0..start.len()).step_by(start.len().div_ceil(40)) {
            let h = 1e-5;
            let at = |delta: f64| {
                let mut moved = start.clone();
                moved[i] += delta;
                var.set(&Tensor::from_vec(moved, var.shape(), &CPU).unwrap())
                    .unwrap();
                value()
            };
            let numeric = (at(h) - at(-h)) / (2.0 * h);
            at(0.0);
            let error = (numeric - gradient[i]).abs() / scale;
            assert!(
                error < 1e-7,
                "variable {number}, element {i}: {numeric} by differences, {} by hand",
                gradient[i]
            );
        }
    }
}

/// Runs `f` in pools of 1, 2, 3 and 7 threads and checks that the results agree to the bit.
#[track_caller]
pub fn same_on_all_pools(f: impl Fn() -> Vec<Tensor> + Send + Sync) {
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let tensors = pool.install(&f);
        let bits = |t: &Tensor| {
            to_vec::<f32>(t)
                .unwrap()
                .iter()
                .map(|x| x.to_bits())
                .collect()
        };
        tensors.iter().map(bits).collect::<Vec<Vec<u32>>>()
    };
    let one = bits(1);
    for threads in [2, 3, 7] {
        assert!(
            bits(threads) == one,
            "{threads} threads give other bits than one"
        );
    }
}
