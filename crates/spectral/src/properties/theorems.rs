//! The theorems that hold for every signal: Parseval, Hermitian symmetry, shift.

use std::f64::consts::TAU;
use std::fmt::Display;

use candle_core::Tensor;

use super::numbers::{flat, tolerance, unravel};
use super::{Fourier, Numbers, TestCaseError, TestCaseResult, done};
use crate::oracle::Complex64;

impl Fourier {
    /// Parseval's theorem: the energy of the full spectrum is that of the signal times `n`
    /// (backward), 1 (ortho) or `1/n` (forward).
    ///
    /// # Errors
    /// A failure if it is not so, or if the op fails.
    pub fn parseval<O: Numbers, E: Display>(
        &self,
        x: &Tensor,
        op: impl Fn(&Tensor) -> Result<O, E>,
    ) -> TestCaseResult {
        let case = self.case(x)?;
        let spectrum = case.run("Parseval", x, op)?;
        let in_frequency: f64 = spectrum
            .iter()
            .enumerate()
            .map(|(at, value)| case.multiplicity(at) * value.norm_sqr())
            .sum();
        let in_space: f64 = flat(x)?.iter().map(|x| x * x).sum();
        let points = case.sizes.iter().product::<usize>() as f64;
        let expected = in_space * points * case.scale * case.scale;
        let error = (in_frequency - expected).abs();
        // Also false for NaN.
        let close = error <= 4.0 * tolerance(x.dtype()) * expected;
        if close {
            return Ok(());
        }
        Err(TestCaseError::fail(format!(
            "Parseval ({:?}): the spectrum holds the energy {in_frequency}, the signal says {expected}",
            self.norm
        )))
    }

    /// `X[-k] = conj(X[k])`, as the signal is real: for a half spectrum, within the zero and the
    /// Nyquist column.
    ///
    /// # Errors
    /// A failure if it is not so, or if the op fails.
    pub fn hermitian<O: Numbers, E: Display>(
        &self,
        x: &Tensor,
        op: impl Fn(&Tensor) -> Result<O, E>,
    ) -> TestCaseResult {
        let case = self.case(x)?;
        let spectrum = case.run("Hermitian symmetry", x, op)?;
        let largest = spectrum.iter().fold(0.0, |m: f64, x| m.max(x.norm()));
        for (at, value) in spectrum.iter().enumerate() {
            if case.multiplicity(at) != 1.0 {
                continue;
            }
            let mirrored = spectrum[case.mirror(at)];
            let error = (value - mirrored.conj()).norm();
            if error > tolerance(x.dtype()) * largest {
                return Err(TestCaseError::fail(format!(
                    "Hermitian symmetry: {value} at {:?}, but {mirrored} at its mirror image {:?}",
                    unravel(at, &case.bins),
                    unravel(case.mirror(at), &case.bins)
                )));
            }
        }
        Ok(())
    }

    /// The shift theorem: a signal rolled by one sample has the spectrum `X[k] exp(-2 pi i k / n)`,
    /// along each transformed axis.
    ///
    /// # Errors
    /// A failure if it is not so, or if the op fails.
    pub fn shift<O: Numbers, E: Display>(
        &self,
        x: &Tensor,
        op: impl Fn(&Tensor) -> Result<O, E>,
    ) -> TestCaseResult {
        let case = self.case(x)?;
        let mut expected = case.run("shift theorem", x, &op)?;
        let mut rolled = x.clone();
        for (&axis, &n) in case.axes.iter().zip(&case.sizes) {
            rolled = done(rolled.roll(1, axis))?;
            for (at, value) in expected.iter_mut().enumerate() {
                let k = unravel(at, &case.bins)[axis];
                *value *= Complex64::from_polar(1.0, -TAU * k as f64 / n as f64);
            }
            case.same("shift theorem", &rolled, &op, &expected)?;
        }
        Ok(())
    }
}
