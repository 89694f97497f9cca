//! Derivatives by the backward pass and by differences.

use std::fmt::Debug;

use candle_core::{Device, Tensor, Var};

use crate::{flat, scalar};

/// Value and gradient of a scalar function at `x`, by candle's backward pass.
pub fn value_and_gradient<E: Debug>(
    x: &Tensor,
    f: impl Fn(&Tensor) -> Result<Tensor, E>,
) -> (f64, Tensor) {
    let x = Var::from_tensor(x).unwrap();
    let value = f(&x).unwrap();
    let gradients = value.backward().unwrap();
    (scalar(&value), gradients.get(&x).unwrap().clone())
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

/// Compares the gradient of a scalar function of an f64 tensor with central differences, element by element.
#[track_caller]
pub fn assert_gradient<E: Debug>(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor, E>) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn a_cube_has_its_gradient() {
        let x = tensor(3, &[2, 3]);
        let (value, gradient) = value_and_gradient(&x, |x| x.powf(3.0)?.sum_all());
        let expected: Vec<f64> = flat(&x).iter().map(|x| 3.0 * x * x).collect();
        assert!((value - flat(&x).iter().map(|x| x * x * x).sum::<f64>()).abs() < 1e-12);
        for (got, want) in flat(&gradient).into_iter().zip(expected) {
            assert!((got - want).abs() < 1e-12);
        }
    }

    #[test]
    #[should_panic(expected = "central difference")]
    fn a_gradient_that_is_held_back_is_seen() {
        let half = |x: &Tensor| (x.sqr()? + x.detach())?.sum_all();
        assert_gradient(&tensor(3, &[4]), half);
    }
}
