//! The spectra of signals that everyone knows: an impulse, a constant.

use std::f64::consts::TAU;
use std::fmt::Display;

use candle_core::Tensor;

use super::numbers::{like, unravel};
use super::{Fourier, Numbers, TestCaseResult};
use crate::oracle::Complex64;

impl Fourier {
    /// The response to an impulse at the first sample is flat, `s` in every bin; that to an impulse at
    /// the second sample of each transformed axis is `s exp(-2 pi i k / n)`, which no other bin
    /// order shares. The shape, element type and device are those of `x`.
    ///
    /// # Errors
    /// A failure if it is not so, or if the op fails.
    pub fn impulse<O: Numbers, E: Display>(
        &self,
        x: &Tensor,
        op: impl Fn(&Tensor) -> Result<O, E>,
    ) -> TestCaseResult {
        let case = self.case(x)?;
        let second: Vec<usize> = case.sizes.iter().map(|n| usize::from(*n > 1)).collect();
        for place in [vec![0; second.len()], second] {
            let at_place = |at: usize| {
                let index = unravel(at, x.dims());
                let hit = case.axes.iter().zip(&place).all(|(&a, &p)| index[a] == p);
                f64::from(u8::from(hit))
            };
            let impulse = like((0..x.elem_count()).map(at_place).collect(), x)?;
            let response = |at: usize| {
                let index = unravel(at, &case.bins);
                let turns = case.axes.iter().zip(&case.sizes).zip(&place);
                let turns: f64 = turns
                    .map(|((&axis, &n), p)| ((index[axis] * p) % n) as f64 / n as f64)
                    .sum();
                Complex64::from_polar(case.scale, -TAU * turns)
            };
            let expected: Vec<_> = (0..case.count()).map(response).collect();
            case.same("impulse response", &impulse, &op, &expected)?;
        }
        Ok(())
    }

    /// The response to a constant is that constant times the number of points and the norm's factor
    /// at the zero frequency, and nothing elsewhere.
    ///
    /// # Errors
    /// A failure if it is not so, or if the op fails.
    pub fn constant<O: Numbers, E: Display>(
        &self,
        x: &Tensor,
        op: impl Fn(&Tensor) -> Result<O, E>,
    ) -> TestCaseResult {
        let case = self.case(x)?;
        let constant = 1.5;
        let signal = like(vec![constant; x.elem_count()], x)?;
        let points = case.sizes.iter().product::<usize>() as f64;
        let response = |at: usize| {
            let index = unravel(at, &case.bins);
            let zero = case.axes.iter().all(|&axis| index[axis] == 0);
            Complex64::from(if zero {
                constant * points * case.scale
            } else {
                0.0
            })
        };
        let expected: Vec<_> = (0..case.count()).map(response).collect();
        case.same("constant response", &signal, op, &expected)
    }
}
