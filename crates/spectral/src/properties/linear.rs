//! What a linear map, and a map with an inverse or any strides, must do.

use std::fmt::Display;

use candle_core::Tensor;

use super::numbers::{dot, flat, noise_like, norm, same, tolerance};
use super::{Numbers, TestCaseError, TestCaseResult, done, ran};

/// `F(a x + b y) = a F(x) + b F(y)`, for a random `y` of the shape of `x`.
///
/// # Errors
/// A failure if it is not so, or if the op fails.
pub fn linear<O: Numbers, E: Display>(
    x: &Tensor,
    op: impl Fn(&Tensor) -> Result<O, E>,
) -> TestCaseResult {
    let (a, b) = (0.75, -1.5);
    let y = noise_like(1, x)?;
    let mixed = done((x * a).and_then(|x| x + (&y * b)?))?;
    let run = |x: &Tensor| ran("linear", op(x));
    let (fx, fy, mixed) = (run(x)?, run(&y)?, run(&mixed)?);
    let apart = flat(fx.numbers())?.into_iter().zip(flat(fy.numbers())?);
    let apart: Vec<f64> = apart.map(|(x, y)| a * x + b * y).collect();
    let (mixed, shape) = (mixed.numbers(), fx.numbers().dims());
    same("linear", mixed, shape, &apart, tolerance(x.dtype()))
}

/// `<F x, y> = <x, F* y>` for a random `y` of the shape of `F x`, with `F*` given. Complex numbers
/// count as pairs of real ones.
///
/// # Errors
/// A failure if it is not so, if shapes do not fit, or if an op fails.
pub fn adjoint<O: Numbers, A: Numbers, E: Display, F: Display>(
    x: &Tensor,
    op: impl Fn(&Tensor) -> Result<O, E>,
    adjoint: impl Fn(&Tensor) -> Result<A, F>,
) -> TestCaseResult {
    let image = ran("adjoint", op(x))?;
    let y = noise_like(2, image.numbers())?;
    let pulled = ran("adjoint (F*)", adjoint(&y))?;
    check_adjoint("adjoint", x, image.numbers(), &y, pulled.numbers())
}

pub(super) fn check_adjoint(
    property: &str,
    x: &Tensor,
    image: &Tensor,
    y: &Tensor,
    pulled: &Tensor,
) -> TestCaseResult {
    if pulled.dims() != x.dims() {
        return Err(TestCaseError::fail(format!(
            "{property}: F* gives shape {:?} where x has {:?}",
            pulled.dims(),
            x.dims()
        )));
    }
    let (xs, image, y, pulled) = (flat(x)?, flat(image)?, flat(y)?, flat(pulled)?);
    let (left, right) = (dot(&image, &y), dot(&xs, &pulled));
    let size = norm(&image) * norm(&y);
    let error = (left - right).abs();
    if error <= tolerance(x.dtype()) * size {
        return Ok(());
    }
    Err(TestCaseError::fail(format!(
        "{property}: <F x, y> = {left}, but <x, F* y> = {right}"
    )))
}

/// `G(F(x)) = x`.
///
/// # Errors
/// A failure if it is not so, or if an op fails.
pub fn round_trip<O, B: Numbers, E: Display, F: Display>(
    x: &Tensor,
    forward: impl Fn(&Tensor) -> Result<O, E>,
    back: impl Fn(&O) -> Result<B, F>,
) -> TestCaseResult {
    let there = ran("round trip, forward", forward(x))?;
    let again = ran("round trip, back", back(&there))?;
    let (expected, tolerance) = (flat(x)?, tolerance(x.dtype()));
    same(
        "round trip",
        again.numbers(),
        x.dims(),
        &expected,
        tolerance,
    )
}

/// The op gives the same bits for `x`, whatever its strides, as for its contiguous copy.
///
/// # Errors
/// A failure if it is not so, or if the op fails.
pub fn strides<O: Numbers, E: Display>(
    x: &Tensor,
    op: impl Fn(&Tensor) -> Result<O, E>,
) -> TestCaseResult {
    let copy = done(x.force_contiguous())?;
    let (strided, packed) = (ran("strides", op(x))?, ran("strides", op(&copy))?);
    let packed = packed.numbers();
    same(
        "strides",
        strided.numbers(),
        packed.dims(),
        &flat(packed)?,
        0.0,
    )
}
