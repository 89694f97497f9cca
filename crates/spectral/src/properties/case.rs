//! A claimed transform applied to one input: shapes, bins, and the definition's result.

use std::fmt::Display;

use candle_core::Tensor;

use super::numbers::{flat, tolerance, unravel};
use super::{Numbers, TestCaseError, TestCaseResult, done, ran};
use crate::Norm;
use crate::oracle::{self, Complex64};

/// A claim applied to one input.
pub(super) struct Case<'a> {
    pub(super) x: &'a Tensor,
    /// The transformed axes, the halved one last.
    pub(super) axes: Vec<usize>,
    /// The samples along the transformed axes.
    pub(super) sizes: Vec<usize>,
    /// The shape of the spectrum, without the leading axis of 2.
    pub(super) bins: Vec<usize>,
    pub(super) half: bool,
    /// The factor on the plain sum.
    pub(super) scale: f64,
}

impl Case<'_> {
    pub(super) fn count(&self) -> usize {
        self.bins.iter().product()
    }

    /// The spectrum of an input of the case's shape, if it has the right one.
    pub(super) fn run<O: Numbers, E: Display>(
        &self,
        property: &str,
        x: &Tensor,
        op: impl Fn(&Tensor) -> Result<O, E>,
    ) -> Result<Vec<Complex64>, TestCaseError> {
        let spectrum = ran(property, op(x))?;
        let (got, shape) = (spectrum.numbers(), [&[2], self.bins.as_slice()].concat());
        if got.dims() != shape {
            return Err(TestCaseError::fail(format!(
                "{property}: the spectrum of {:?} has shape {:?}, expected {shape:?}",
                self.x.dims(),
                got.dims()
            )));
        }
        let values = flat(got)?;
        let (re, im) = values.split_at(self.count());
        Ok(re
            .iter()
            .zip(im)
            .map(|(&re, &im)| Complex64::new(re, im))
            .collect())
    }

    pub(super) fn same<O: Numbers, E: Display>(
        &self,
        property: &str,
        x: &Tensor,
        op: impl Fn(&Tensor) -> Result<O, E>,
        expected: &[Complex64],
    ) -> TestCaseResult {
        let got = self.run(property, x, op)?;
        let largest = expected.iter().fold(0.0, |m: f64, x| m.max(x.norm()));
        let allowed = tolerance(self.x.dtype()) * largest;
        for (at, (a, b)) in got.iter().zip(expected).enumerate() {
            // Also false for NaN.
            let close = (a - b).norm() <= allowed;
            if !close {
                return Err(TestCaseError::fail(format!(
                    "{property}: {a} where {b} is expected, at bin {:?} of {:?}",
                    unravel(at, &self.bins),
                    self.bins
                )));
            }
        }
        Ok(())
    }

    /// How many bins of the full spectrum a bin stands for.
    pub(super) fn multiplicity(&self, at: usize) -> f64 {
        let last = self.axes.len() - 1;
        let k = unravel(at, &self.bins)[self.axes[last]];
        if self.half && k != 0 && 2 * k != self.sizes[last] {
            2.0
        } else {
            1.0
        }
    }

    /// The bin of the negated frequency.
    pub(super) fn mirror(&self, at: usize) -> usize {
        let mut index = unravel(at, &self.bins);
        for (&axis, &n) in self.axes.iter().zip(&self.sizes) {
            index[axis] = (n - index[axis]) % n;
        }
        index
            .iter()
            .zip(&self.bins)
            .fold(0, |at, (i, size)| at * size + i)
    }

    /// The spectrum by the slow transform, plane by plane, in the order of the op's result.
    pub(super) fn by_definition(&self, norm: Norm) -> Result<Vec<Complex64>, TestCaseError> {
        let rank = self.x.rank();
        let rest = (0..rank).filter(|axis| !self.axes.contains(axis));
        let order: Vec<usize> = rest.chain(self.axes.iter().copied()).collect();
        let moved = flat(&done(self.x.permute(order.clone()))?)?;
        let (height, width) = match *self.sizes.as_slice() {
            [height, width] => (height, width),
            _ => (1, self.sizes[0]),
        };
        let planes = moved.chunks_exact(height * width);
        let spectra: Vec<Complex64> = planes
            .flat_map(|plane| {
                if self.half {
                    return oracle::rfft2(plane, height, width, norm);
                }
                let plane: Vec<_> = plane.iter().map(|&x| Complex64::from(x)).collect();
                oracle::fft2(&plane, height, width, norm)
            })
            .collect();
        let shape: Vec<usize> = order.iter().map(|&axis| self.bins[axis]).collect();
        let mut out = vec![Complex64::ZERO; spectra.len()];
        for (at, value) in spectra.into_iter().enumerate() {
            let mut index = vec![0; rank];
            for (&axis, i) in order.iter().zip(unravel(at, &shape)) {
                index[axis] = i;
            }
            let place = index
                .iter()
                .zip(&self.bins)
                .fold(0, |at, (i, size)| at * size + i);
            out[place] = value;
        }
        Ok(out)
    }
}
