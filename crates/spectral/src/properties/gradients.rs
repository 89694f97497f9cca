//! The backward pass against adjoints and finite differences.

use std::fmt::Display;

use candle_core::{DType, Tensor, Var};

use super::linear::check_adjoint;
use super::numbers::{dot, flat, like, noise, noise_like, norm};
use super::{Numbers, TestCaseError, TestCaseResult, done, ran};

/// [`super::adjoint`] with candle's backward pass as `F*`: for a linear op, the gradient of `<F x,
/// y>` is `F* y`.
///
/// # Errors
/// A failure if it is not so, if no gradient arrives, or if the op fails.
pub fn backward_is_adjoint<O: Numbers, E: Display>(
    x: &Tensor,
    op: impl Fn(&Tensor) -> Result<O, E>,
) -> TestCaseResult {
    const PROPERTY: &str = "backward is adjoint";
    let image = ran(PROPERTY, op(x))?;
    let y = noise_like(3, image.numbers())?;
    let pulled = pull(PROPERTY, x, &y, &op)?;
    check_adjoint(PROPERTY, x, image.numbers(), &y, &pulled)
}

/// The gradient of a random combination of the op's results against central differences along
/// three random directions, in f64 whatever `x` is. For any op that is smooth around `x`.
///
/// # Errors
/// A failure if they differ, if no gradient arrives, or if the op fails.
pub fn gradient<O: Numbers, E: Display>(
    x: &Tensor,
    op: impl Fn(&Tensor) -> Result<O, E>,
) -> TestCaseResult {
    const PROPERTY: &str = "gradient";
    const STEP: f64 = 1e-5;
    let x = &done(x.to_dtype(DType::F64))?;
    let image = ran(PROPERTY, op(x))?;
    let weights = noise_like(4, image.numbers())?;
    let slope = flat(&pull(PROPERTY, x, &weights, &op)?)?;
    let weights = flat(&weights)?;
    let parts = flat(image.numbers())?.into_iter().zip(&weights);
    let size: f64 = parts.map(|(value, weight)| (value * weight).abs()).sum();

    let at = flat(x)?;
    for seed in 5..8 {
        let direction = noise(seed, at.len());
        let value = |step: f64| {
            let moved = at.iter().zip(&direction).map(|(x, v)| x + step * v);
            let moved = ran(PROPERTY, op(&like(moved.collect(), x)?))?;
            Ok::<f64, TestCaseError>(dot(&flat(moved.numbers())?, &weights))
        };
        let by_difference = (value(STEP)? - value(-STEP)?) / (2.0 * STEP);
        let by_backward = dot(&slope, &direction);
        let allowed = 1e-6 * norm(&slope) * norm(&direction) + 1e-9 * size;
        let error = (by_backward - by_difference).abs();
        // Also false for NaN.
        let close = error <= allowed;
        if !close {
            return Err(TestCaseError::fail(format!(
                "{PROPERTY}: backward says {by_backward}, central differences {by_difference}"
            )));
        }
    }
    Ok(())
}

/// The gradient of `<F x, y>` at `x` by candle's backward pass.
fn pull<O: Numbers, E: Display>(
    property: &str,
    x: &Tensor,
    y: &Tensor,
    op: impl Fn(&Tensor) -> Result<O, E>,
) -> Result<Tensor, TestCaseError> {
    let variable = done(Var::from_tensor(x))?;
    let image = ran(property, op(&variable))?;
    let gradients = done(
        image
            .numbers()
            .mul(y)
            .and_then(|product| product.sum_all()?.backward()),
    )?;
    gradients.get(&variable).cloned().ok_or_else(|| {
        TestCaseError::fail(format!("{property}: no gradient reaches the op's input"))
    })
}
