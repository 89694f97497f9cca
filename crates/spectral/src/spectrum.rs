//! A complex spectrum as one real tensor, since candle has no complex element type.

use candle_core::shape::Dims;
use candle_core::{D, Shape, Tensor, Var};

use crate::real::to_working_precision;
use crate::{Error, Norm, Result, transforms};

/// Complex numbers as a real f32 or f64 tensor `[2, ...]`, real parts at index 0 of the leading
/// axis and imaginary parts at index 1. Axes are counted without that leading one.
///
/// The spectrum of a complex transform is **full**: as many bins as samples along every axis. That
/// of a real one is **half** along its last transformed axis: of `n` samples the bins `0..=n/2` are
/// kept; the others are their complex conjugates, `X[-h, -k] = conj(X[h, k])`. A spectrum remembers
/// the axes that were transformed, `n` itself (`2m` and `2m + 1` samples have equally many bins)
/// and the [`Norm`] it was made with.
#[derive(Clone, Debug)]
pub struct Spectrum {
    data: Tensor,
    /// The transformed axes; the last is the halved one, if there is one.
    axes: Vec<usize>,
    /// The samples along the halved axis.
    half: Option<usize>,
    norm: Norm,
}

impl Spectrum {
    pub(crate) fn of(data: Tensor, axes: Vec<usize>, half: Option<usize>, norm: Norm) -> Self {
        Self {
            data,
            axes,
            half,
            norm,
        }
    }

    /// Complex numbers `[2, ...]` as a full spectrum over the given axes (counted without the
    /// leading axis of 2; `()` for a complex signal that was not transformed). Half types become
    /// f32.
    ///
    /// # Errors
    /// No leading axis of 2, axes that do not exist, or an element type that is not floating point.
    pub fn from_full(data: &Tensor, axes: impl Dims, norm: Norm) -> Result<Self> {
        const OP: &str = "Spectrum::from_full";
        let (data, axes) = checked(OP, data, axes)?;
        Ok(Self::of(data, axes, None, norm))
    }

    /// Complex numbers `[2, ...]` as the half spectrum of a real signal over the given axes, of
    /// which the last is the halved one and stands for `n` samples. Half types become f32.
    ///
    /// # Errors
    /// As [`Self::from_full`], no axes at all, or other than `n/2 + 1` bins along the last one.
    pub fn from_half(data: &Tensor, axes: impl Dims, n: usize, norm: Norm) -> Result<Self> {
        const OP: &str = "Spectrum::from_half";
        let (data, axes) = checked(OP, data, axes)?;
        let shape = data.dims()[1..].to_vec();
        match axes.last() {
            None => Err(Error::Range {
                op: OP,
                what: "the number of axes",
                range: "at least 1",
                value: "0".to_owned(),
            }),
            Some(&axis) if shape[axis] != n / 2 + 1 || n == 0 => Err(Error::Bins {
                op: OP,
                n,
                expected: n / 2 + 1,
                got: shape[axis],
                axis,
                shape,
            }),
            Some(_) => Ok(Self::of(data, axes, Some(n), norm)),
        }
    }

    /// Both parts as one tensor, `[2, ...]` (after [`crate::rfft2`]: `[2, ..., H, W/2 + 1]`).
    pub fn as_tensor(&self) -> &Tensor {
        &self.data
    }

    /// Both parts as one tensor, `[2, ...]`, without the wrapper.
    pub fn into_tensor(self) -> Tensor {
        self.data
    }

    /// The real parts, `[...]`.
    pub fn re(&self) -> Result<Tensor> {
        Ok(self.data.get(0)?)
    }

    /// The imaginary parts, `[...]`.
    pub fn im(&self) -> Result<Tensor> {
        Ok(self.data.get(1)?)
    }

    /// The shape of the spectrum, without the leading axis of 2.
    pub fn dims(&self) -> &[usize] {
        &self.data.dims()[1..]
    }

    /// The shape of the signal: [`Self::dims`] with the samples of the halved axis.
    pub fn signal_dims(&self) -> Vec<usize> {
        let mut dims = self.dims().to_vec();
        if let (Some(axis), Some(n)) = (self.half_axis(), self.half) {
            dims[axis] = n;
        }
        dims
    }

    /// The axes that were transformed, counted without the leading axis of 2; the halved one is the
    /// last.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }

    /// The halved axis, counted without the leading axis of 2; none for a full spectrum.
    pub fn half_axis(&self) -> Option<usize> {
        self.half.and(self.axes.last().copied())
    }

    /// The samples of the signal along the halved axis; none for a full spectrum.
    pub fn half_samples(&self) -> Option<usize> {
        self.half
    }

    /// The samples of the signal along its last axis (`W` after [`crate::rfft2`]).
    pub fn width(&self) -> usize {
        self.signal_dims().last().copied().unwrap_or(1)
    }

    /// The samples of the signal along the last axis but one (`H` after [`crate::rfft2`]).
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn height(&self) -> Result<usize> {
        let signal = Shape::from(self.signal_dims());
        Ok(signal.dims()[candle_core::shape::Dim::to_index(&D::Minus2, &signal, "height")?])
    }

    /// The normalisation that the spectrum was made with.
    pub fn norm(&self) -> Norm {
        self.norm
    }

    /// The real signal whose half spectrum this is: the inverse transform over all of
    /// [`Self::axes`], with the norm that the spectrum was made with. Differentiable.
    ///
    /// # Errors
    /// If the spectrum is full (see [`crate::ifft`]).
    pub fn to_signal(&self) -> Result<Tensor> {
        let (Some((&last, others)), Some(n)) = (self.axes.split_last(), self.half) else {
            return Err(Error::NotHalf {
                op: "Spectrum::to_signal",
                shape: self.dims().to_vec(),
            });
        };
        match *others {
            [] => transforms::irfft(self, n, last, self.norm),
            [first, ref rest @ ..] => {
                let mut spectrum = self.clone();
                for &axis in rest {
                    spectrum = transforms::ifft(&spectrum, axis, self.norm)?;
                }
                transforms::irfft2_over(&spectrum, n, [first, last], self.norm)
            }
        }
    }

    /// The full spectrum: the bins that a half spectrum leaves out, from their mirror images `X[-h,
    /// -k] = conj(X[h, k])`. A full spectrum comes back as it is. Differentiable.
    pub fn to_full(&self) -> Result<Self> {
        let (Some(axis), Some(n)) = (self.half_axis(), self.half) else {
            return Ok(self.clone());
        };
        let indices = |indices: Vec<u32>| {
            Tensor::from_vec(indices.clone(), indices.len(), self.data.device())
        };
        let bins = n / 2 + 1;
        let mut mirrored = self.conj()?.data;
        let missing = (bins..n).map(|k| (n - k) as u32).collect::<Vec<_>>();
        if missing.is_empty() {
            return Ok(Self::of(
                self.data.clone(),
                self.axes.clone(),
                None,
                self.norm,
            ));
        }
        mirrored = mirrored
            .contiguous()?
            .index_select(&indices(missing)?, axis + 1)?;
        for &other in &self.axes[..self.axes.len() - 1] {
            let size = self.dims()[other];
            let negated = (0..size).map(|h| ((size - h) % size) as u32).collect();
            mirrored = mirrored.index_select(&indices(negated)?, other + 1)?;
        }
        let data = Tensor::cat(&[&self.data, &mirrored], axis + 1)?;
        Ok(Self::of(data, self.axes.clone(), None, self.norm))
    }

    /// The same kind of spectrum with other numbers in it.
    pub(crate) fn with_data(&self, data: Tensor) -> Self {
        Self::of(data, self.axes.clone(), self.half, self.norm)
    }

    /// Whether two spectra came from the same transform of signals of the same shape.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.data.dims() == other.data.dims()
            && (&self.axes, self.half, self.norm) == (&other.axes, other.half, other.norm)
    }
}

fn checked(op: &'static str, data: &Tensor, axes: impl Dims) -> Result<(Tensor, Vec<usize>)> {
    let shape = data.dims();
    if shape.first() != Some(&2) {
        return Err(Error::NotComplex {
            op,
            shape: shape.to_vec(),
        });
    }
    let axes = axes.to_indexes(&Shape::from(&shape[1..]), op)?;
    Ok((to_working_precision(op, data)?, axes))
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for candle_core::Tensor {}
    impl Sealed for candle_core::Var {}
    impl Sealed for super::Spectrum {}
}

/// What a complex transform takes: a real tensor (its imaginary parts are zero) or complex numbers.
pub trait Signal: sealed::Sealed {
    #[doc(hidden)]
    fn to_complex(&self, op: &'static str) -> Result<Spectrum>;
}

impl Signal for Tensor {
    fn to_complex(&self, op: &'static str) -> Result<Spectrum> {
        let re = to_working_precision(op, self)?;
        let data = Tensor::stack(&[&re, &re.zeros_like()?], 0)?;
        Ok(Spectrum::of(data, Vec::new(), None, Norm::Backward))
    }
}

impl Signal for Var {
    fn to_complex(&self, op: &'static str) -> Result<Spectrum> {
        self.as_tensor().to_complex(op)
    }
}

impl Signal for Spectrum {
    fn to_complex(&self, _: &'static str) -> Result<Spectrum> {
        Ok(self.clone())
    }
}
