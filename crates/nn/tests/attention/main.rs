//! Attention: the composed form in f64 against finite differences, the kernels against it, the
//! operations and layers against the composed form in f32.

mod case;
#[path = "../common/mod.rs"]
mod common;
mod errors;
mod gradients;
mod kernels;
mod layers;
mod operations;

use candle_core::{DType, Tensor, Var};
use common::CPU;
use spectralkd_base::random::Stream;
use spectralkd_nn::Result;
use spectralkd_testing::flat;

/// A variable of standard normal numbers times `scale`.
fn var(name: &str, shape: &[usize], scale: f64, dtype: DType) -> Var {
    let mut stream = Stream::new(2, name);
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| stream.normal() * scale).collect();
    let tensor = Tensor::from_vec(values, shape, &CPU).unwrap();
    Var::from_tensor(&tensor.to_dtype(dtype).unwrap()).unwrap()
}

/// Panics unless every number is right to `tolerance` times the largest of `want`, plus 1e-6.
#[track_caller]
fn assert_agree(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        // Not `error > ...`: NaN must fail.
        assert!(
            (got - want).abs() <= tolerance * largest + 1e-6,
            "{what}, element {i}: {got} against {want}; the largest is {largest}"
        );
    }
}

/// The same for two tensors of one shape.
#[track_caller]
fn assert_close(got: &Tensor, want: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    assert_agree(&flat(got), &flat(want), tolerance, what);
}

/// Compares two functions of the same variables: values, and the gradients of a weighted sum
/// of them with respect to every variable.
fn compare(
    vars: &[&Var],
    tolerance: f64,
    left: impl Fn(&[&Var]) -> Result<Tensor>,
    right: impl Fn(&[&Var]) -> Result<Tensor>,
) {
    let (left, right) = (left(vars).unwrap(), right(vars).unwrap());
    assert_close(&left, &right, tolerance, "value");
    let weights = var("weights", left.dims(), 1.0, left.dtype());
    let gradients = |y: &Tensor| {
        (y * weights.as_tensor())
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap()
    };
    let (left, right) = (gradients(&left), gradients(&right));
    for (i, var) in vars.iter().enumerate() {
        let (left, right) = (left.get(var).unwrap(), right.get(var).unwrap());
        assert_close(left, right, tolerance, &format!("gradient {i}"));
    }
}
