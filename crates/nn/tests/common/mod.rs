//! What the tests of the layers share beside `spectralkd-testing`: normal numbers, gradients of
//! several variables, the composed form in f64 as the reference of the kernels.
#![allow(dead_code)] // each test file uses its own part

use candle_core::{DType, Device, Tensor, Var};
use spectralkd_base::random::Stream;
use spectralkd_nn::Result;
use spectralkd_testing::{bits, flat, on_pools};

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

/// f32 numbers as f64.
pub fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
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

/// What a kernel is held to: `f`, the composed form, of f64 variables of these numbers and shapes,
/// and the gradients of sum(`f` `dy`) by candle's backward pass. A result without elements has zero
/// gradients, for which candle is not asked.
#[track_caller]
pub fn reference(
    inputs: &[(&[f64], &[usize])],
    dy: &[f64],
    f: impl Fn(&[Tensor]) -> Tensor,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    if dy.is_empty() {
        let zeros = inputs.iter().map(|(numbers, _)| vec![0.0; numbers.len()]);
        return (vec![], zeros.collect());
    }
    let variable = |&(numbers, shape): &(&[f64], &[usize])| {
        Var::from_slice(numbers, shape, &CPU).expect("as many numbers as the shape has")
    };
    let vars: Vec<Tensor> = inputs.iter().map(|x| variable(x).into_inner()).collect();
    let y = f(&vars);
    assert_eq!(y.dtype(), DType::F64, "the reference is f64");
    let dy = Tensor::from_slice(dy, y.shape(), &CPU).expect("as many numbers as the result has");
    let grads = (&y * dy).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = |var: &Tensor| flat(grads.get(var).expect("a gradient"));
    (flat(&y), vars.iter().map(gradient).collect())
}

/// Checks that a kernel refuses numbers of this type, and says what to do.
#[track_caller]
pub fn assert_refused(result: Result<Tensor>, op: &str, dtype: DType) {
    let error = result.unwrap_err().to_string();
    let sentence = format!(
        "{op} has CPU kernels for F32, not for {dtype:?}: convert the operands with `to_dtype` \
         first, or build the layer for {dtype:?}"
    );
    assert!(error.contains(&sentence), "{error}");
}

/// Checks the gradients of `f` with respect to `vars` (f64) against central differences
/// of sum(y weights), for at most 40 numbers of each variable.
#[track_caller]
pub fn check_finite_differences(f: impl Fn() -> Tensor, vars: &[&Var]) {
    let y = f();
    assert_eq!(y.dtype(), DType::F64, "finite differences need f64");
    let analytic = gradients(&y, vars);
    let weights = flat(&tensor(999, y.dims(), DType::F64));
    let value = || {
        flat(&f())
            .iter()
            .zip(&weights)
            .map(|(y, w)| y * w)
            .sum::<f64>()
    };
    for (number, (var, gradient)) in vars.iter().zip(&analytic).enumerate() {
        let (start, gradient) = (flat(var), flat(gradient));
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
                "variable {number}, element {i}: {numeric} by differences, {} by the backward pass",
                gradient[i]
            );
        }
    }
}

/// Runs `f` on thread pools of several sizes and checks that the results agree to the bit.
#[track_caller]
pub fn same_on_all_pools(f: impl Fn() -> Vec<Tensor> + Sync) {
    let results = on_pools(|| f().iter().map(bits).collect::<Vec<_>>());
    for (pool, result) in results.iter().enumerate() {
        assert!(
            *result == results[0],
            "pool {pool} of `on_pools` gives other bits than pool 0"
        );
    }
}
