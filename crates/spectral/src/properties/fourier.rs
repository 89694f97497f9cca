//! What an op that claims to be a discrete Fourier transform must do.

use std::fmt::Display;

use candle_core::{DType, Device, Tensor};

use super::case::Case;
use super::numbers::{flat, same, tolerance};
use super::{Numbers, TestCaseError, TestCaseResult, backward_is_adjoint, done, linear, ran};
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
    pub(super) norm: Norm,
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

    pub(super) fn case<'a>(&self, x: &'a Tensor) -> Result<Case<'a>, TestCaseError> {
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
