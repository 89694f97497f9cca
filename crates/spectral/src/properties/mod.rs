//! Properties that a transform, a pooling or any other op must have, for property tests of this
//! crate's ops and of your own (feature `proptest`).
//!
//! A property takes an input, and the op as a closure from a real tensor to numbers (a [`Tensor`] or
//! a [`Spectrum`], in a `Result` with any error), and gives a [`TestCaseResult`] for `?` inside
//! `proptest!`. The message of a failure names the property and the numbers that differ.
//!
//! | property | says |
//! |---|---|
//! | [`linear`] | `F(a x + b y) = a F(x) + b F(y)` |
//! | [`adjoint`], [`backward_is_adjoint`] | `<F x, y> = <x, F* y>`, with `F*` given, or candle's backward pass |
//! | [`gradient`] | the backward pass against central differences in f64, for any smooth op |
//! | [`round_trip`] | `G(F(x)) = x` |
//! | [`strides`] | the same bits for a strided input and for its contiguous copy |
//! | [`pooling`], [`resizing`] | agreement with the definitions in [`crate::oracle`] |
//! | [`Fourier`] | for what claims to be a Fourier transform: agreement with the definition, Parseval, Hermitian symmetry, the shift theorem, impulse and constant responses, inverse; all at once by [`Fourier::holds`] |
//!
//! Strategies for inputs: [`tensors`] (f32 and f64, contiguous, permuted, windows, broadcast),
//! [`tensors_of`], [`norms`]. For an op that takes complex numbers, let the closure make a
//! [`Spectrum`] of a real tensor `[2, ...]` with [`Spectrum::from_full`].

use std::fmt::Display;

use candle_core::Tensor;
pub use proptest::test_runner::{TestCaseError, TestCaseResult};

use crate::Spectrum;

mod case;
mod definitions;
mod fourier;
mod gradients;
mod linear;
mod numbers;
mod responses;
mod strategies;
mod theorems;

pub use definitions::{pooling, resizing};
pub use fourier::Fourier;
pub use gradients::{backward_is_adjoint, gradient};
pub use linear::{adjoint, linear, round_trip, strides};
pub use strategies::{norms, tensors, tensors_of};

/// What an op under test may give: real numbers, or the real and imaginary parts of complex ones.
pub trait Numbers {
    /// The numbers as one real tensor (a spectrum's with its leading axis of 2).
    fn numbers(&self) -> &Tensor;
}

impl Numbers for Tensor {
    fn numbers(&self) -> &Tensor {
        self
    }
}

impl Numbers for Spectrum {
    fn numbers(&self) -> &Tensor {
        self.as_tensor()
    }
}

/// An op's result, or a failure that says that it did not run.
fn ran<T, E: Display>(property: &str, result: Result<T, E>) -> Result<T, TestCaseError> {
    result.map_err(|error| TestCaseError::fail(format!("{property}: the op failed: {error}")))
}

/// The result of this module's own work on tensors.
fn done<T, E: Display>(result: Result<T, E>) -> Result<T, TestCaseError> {
    result
        .map_err(|error| TestCaseError::fail(format!("the property could not be tested: {error}")))
}
