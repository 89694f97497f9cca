//! What an op that claims to be a discrete Fourier transform must do.

use std::f64::consts::TAU;
use std::fmt::Display;

use candle_core::{DType, Device, Tensor};

use super::case::Case;
use super::numbers::{flat, like, same, tolerance, unravel};
use super::{Numbers, TestCaseError, TestCaseResult, backward_is_adjoint, done, linear, ran};
use crate::oracle::Complex64;
use crate::{Norm, Spectrum};

/// The transform of real tensors that an op claims to be: over which one or two axes, all bins or
/// half of them, and its norm. Its methods are the properties.
///
/// The op takes a real tensor and gives complex numbers, as a [`Spectrum`] or as a tensor `[2,
/// ...]`.
#[derive(Clone, Debug)]
pub struct Fourier {
    axes: Axes,
    half: bool,
    norm: Norm,
}

#[derive(Clone, Debug)]
enum Axes {
    Last(usize),
    At(Vec<usize>),
}

impl Fourier {
    /// A transform to half spectra over the last two axes, as [`crate::rfft2`].
    pub fn rfft2(norm: Norm) -> Self {
        let (axes, half) = (Axes::Last(2), true);
        Self { axes, half, norm }
    }

    /// A transform to full spectra over the last two axes, as [`crate::fft2`].
    pub fn fft2(norm: Norm) -> Self {
        let (axes, half) = (Axes::Last(2), false);
        Self { axes, half, norm }
    }

    /// A transform to half spectra over one or two given axes, the last of them halved.
    pub fn half(axes: &[usize], norm: Norm) -> Self {
        let (axes, half) = (Axes::At(axes.to_vec()), true);
        Self { axes, half, norm }
    }

    /// A transform to full spectra over one or two given axes.
    pub fn full(axes: &[usize], norm: Norm) -> Self {
        let (axes, half) = (Axes::At(axes.to_vec()), false);
        Self { axes, half, norm }
    }

    /// All of the properties that need the op alone: [`Self::definition`], [`Self::parseval`],
    /// [`Self::hermitian`], [`Self::shift`], [`Self::impulse`], [`Self::constant`], [`linear`] and
    /// [`backward_is_adjoint`].
    ///
    /// # Errors
    /// The first failure.
    pub fn holds<O: Numbers, E: Display>(
        &self,
        x: &Tensor,
        op: impl Fn(&Tensor) -> Result<O, E>,
    ) -> TestCaseResult {
        self.constant(x, &op)?;
        self.impulse(x, &op)?;
        self.parseval(x, &op)?;
        self.hermitian(x, &op)?;
        self.shift(x, &op)?;
        self.definition(x, &op)?;
        linear(x, &op)?;
        backward_is_adjoint(x, &op)
    }

    /// Agreement with the slow transform of [`crate::oracle`].
    ///
    /// # Errors
    /// A failure if values or shape differ, or if the op fails.
    pub fn definition<O: Numbers, E: Display>(
        &self,
        x: &Tensor,
        op: impl Fn(&Tensor) -> Result<O, E>,
    ) -> TestCaseResult {
        let case = self.case(x)?;
        let expected = case.by_definition(self.norm)?;
        case.same("definition", x, op, &expected)
    }

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

    /// An inverse gives back `x` from the spectrum that the definition says; real samples, or
    /// complex ones whose imaginary parts are zero.
    ///
    /// # Errors
    /// A failure if it does not, or if it fails.
    pub fn inverse<O: Numbers, E: Display>(
        &self,
        x: &Tensor,
        inverse: impl Fn(&Spectrum) -> Result<O, E>,
    ) -> TestCaseResult {
        let case = self.case(x)?;
        let spectrum = case.by_definition(self.norm)?;
        let parts = (spectrum.iter().map(|x| x.re)).chain(spectrum.iter().map(|x| x.im));
        let shape = [&[2], case.bins.as_slice()].concat();
        let data = done(
            Tensor::from_vec(parts.collect::<Vec<_>>(), shape, &Device::Cpu)
                .and_then(|data| data.to_dtype(working(x))?.to_device(x.device())),
        )?;
        let n = case.sizes[case.sizes.len() - 1];
        let half = case.half.then_some(n);
        let spectrum = Spectrum::of(data, case.axes.clone(), half, self.norm);
        let signal = ran("inverse", inverse(&spectrum))?;
        let (mut expected, mut shape) = (flat(x)?, x.dims().to_vec());
        if signal.numbers().rank() > shape.len() {
            expected.resize(2 * expected.len(), 0.0);
            shape.insert(0, 2);
        }
        same(
            "inverse",
            signal.numbers(),
            &shape,
            &expected,
            tolerance(x.dtype()),
        )
    }

    fn case<'a>(&self, x: &'a Tensor) -> Result<Case<'a>, TestCaseError> {
        let rank = x.rank();
        let axes = match &self.axes {
            Axes::Last(count) => (rank.saturating_sub(*count)..rank).collect(),
            Axes::At(axes) => axes.clone(),
        };
        let there = axes
            .iter()
            .all(|&axis| x.dims().get(axis).is_some_and(|&n| n > 0));
        let distinct = axes.len() == 1 || axes.len() == 2 && axes[0] != axes[1];
        let wanted = matches!(&self.axes, Axes::Last(count) if *count != axes.len());
        if !there || !distinct || wanted {
            return Err(TestCaseError::fail(format!(
                "no transform over one or two axes {:?} of a tensor of shape {:?}",
                self.axes,
                x.dims()
            )));
        }
        let sizes: Vec<usize> = axes.iter().map(|&axis| x.dims()[axis]).collect();
        let mut bins = x.dims().to_vec();
        if self.half {
            let last = axes[axes.len() - 1];
            bins[last] = bins[last] / 2 + 1;
        }
        let points = sizes.iter().product::<usize>() as f64;
        // Said anew instead of asking `norm.scale`, so that a mistake there shows.
        let scale = match self.norm {
            Norm::Backward => 1.0,
            Norm::Ortho => points.sqrt().recip(),
            Norm::Forward => points.recip(),
        };
        let half = self.half;
        Ok(Case {
            x,
            axes,
            sizes,
            bins,
            half,
            scale,
        })
    }
}

/// The element type in which a transform of `x` is computed.
fn working(x: &Tensor) -> DType {
    match x.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}
