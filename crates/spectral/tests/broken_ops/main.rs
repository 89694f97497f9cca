//! The properties catch broken ops: each mistake is reported by the property that is meant for it,
//! which the right op passes on the same input.

mod bins;
mod gradients;
mod strides_and_sizes;

use candle_core::Tensor;
use spectralkd_spectral::properties::{
    Fourier, TestCaseResult, backward_is_adjoint, gradient, linear,
};
use spectralkd_spectral::{Norm, Result, Spectrum, rfft2};
use spectralkd_testing::tensor;

const CLAIM: Norm = Norm::Ortho;

/// A batch of planes with two even axes, so that both have a Nyquist frequency.
fn input() -> Tensor {
    tensor(11, &[2, 6, 8])
}

fn right(x: &Tensor) -> Result<Spectrum> {
    rfft2(x, CLAIM)
}

/// The properties that need the op alone, with their names in messages.
fn suite(
    x: &Tensor,
    op: &dyn Fn(&Tensor) -> Result<Tensor>,
) -> Vec<(&'static str, TestCaseResult)> {
    let claim = Fourier::rfft2(CLAIM);
    vec![
        ("definition", claim.definition(x, op)),
        ("Parseval", claim.parseval(x, op)),
        ("Hermitian symmetry", claim.hermitian(x, op)),
        ("shift theorem", claim.shift(x, op)),
        ("impulse response", claim.impulse(x, op)),
        ("constant response", claim.constant(x, op)),
        ("linear", linear(x, op)),
        ("backward is adjoint", backward_is_adjoint(x, op)),
        ("gradient", gradient(x, op)),
    ]
}

/// The properties that report a broken rfft2, which must be exactly these; its failure also stops
/// `holds`.
fn assert_caught(name: &str, op: impl Fn(&Tensor) -> Result<Tensor>, by: &[&str]) {
    let caught: Vec<_> = suite(&input(), &op)
        .into_iter()
        .filter_map(|(property, outcome)| {
            let message = outcome.err()?.to_string();
            assert!(message.contains(property), "{name}: {message}");
            Some(property)
        })
        .collect();
    assert_eq!(caught, by, "{name}");
    let held = Fourier::rfft2(CLAIM).holds(&input(), &op);
    assert!(held.is_err(), "{name} passes `holds`");
}

#[test]
fn the_right_op_passes_everything() {
    for (property, outcome) in suite(&input(), &|x| Ok(right(x)?.into_tensor())) {
        outcome.unwrap_or_else(|error| panic!("{property}: {error}"));
    }
    Fourier::rfft2(CLAIM).holds(&input(), right).unwrap();
}
