//! Where the bins of a spectrum lie: radial frequencies, rings and masks.

use candle_core::{DType, Device, Tensor};

use crate::{Error, Result, Spectrum};

/// The frequencies of the bins of a spectrum over the last one or two axes, in the transform's own
/// order (zero frequency first).
///
/// Along an axis of `n` samples bin `k` has the frequency `f = k / n` cycles per sample for `k <=
/// n/2` and `(k - n) / n` above (NumPy's `fftfreq`); a half spectrum ends with `k = n/2` (integer
/// division). The **radius** of a bin is `|f|` in one dimension and `sqrt(fy^2 + fx^2)` in two: 0 to
/// `1/2`, or to `sqrt(1/2)` in the corners. All averages are over the bins of the *full* spectrum:
/// a bin of a half spectrum between the zero and the Nyquist frequency counts twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrequencyGrid {
    /// The samples of the signal, one or two axes.
    signal: Vec<usize>,
    half: bool,
}

impl FrequencyGrid {
    /// The grid of a full spectrum of `[W]` or `[H, W]` samples.
    ///
    /// # Errors
    /// Other than one or two axes, or an empty one.
    pub fn full(signal: &[usize]) -> Result<Self> {
        if !(1..=2).contains(&signal.len()) || signal.contains(&0) {
            return Err(Error::Range {
                op: "FrequencyGrid",
                what: "the signal's sizes",
                range: "one or two, each at least 1",
                value: format!("{signal:?}"),
            });
        }
        let signal = signal.to_vec();
        Ok(Self {
            signal,
            half: false,
        })
    }

    /// The grid of the half spectrum of `[W]` or `[H, W]` real samples.
    ///
    /// # Errors
    /// As [`Self::full`].
    pub fn half(signal: &[usize]) -> Result<Self> {
        let half = true;
        Ok(Self {
            half,
            ..Self::full(signal)?
        })
    }

    /// The grid of a spectrum over its last one or two axes.
    ///
    /// # Errors
    /// If other axes were transformed.
    pub fn of(spectrum: &Spectrum) -> Result<Self> {
        let (signal, mut axes) = (spectrum.signal_dims(), spectrum.axes().to_vec());
        let halved_last = spectrum
            .half_axis()
            .is_none_or(|axis| axis + 1 == signal.len());
        axes.sort_unstable();
        let first = signal.len() - axes.len();
        if axes.is_empty() || axes != (first..signal.len()).collect::<Vec<_>>() || !halved_last {
            return Err(Error::Mismatch {
                op: "FrequencyGrid::of",
                left: format!("a spectrum over axes {:?} of {signal:?}", spectrum.axes()),
                right: "a grid over the last one or two axes, the halved one last".to_owned(),
            });
        }
        match spectrum.half_axis() {
            Some(_) => Self::half(&signal[first..]),
            None => Self::full(&signal[first..]),
        }
    }

    /// The bins along each axis: `[W/2 + 1]`, `[H, W/2 + 1]`, or the signal's own for a full
    /// spectrum.
    pub fn dims(&self) -> Vec<usize> {
        let mut dims = self.signal.clone();
        if let (true, Some(last)) = (self.half, dims.last_mut()) {
            *last = *last / 2 + 1;
        }
        dims
    }

    /// The samples of the signal along each axis.
    pub fn signal_dims(&self) -> &[usize] {
        &self.signal
    }

    /// The radius of every bin in cycles per sample, row-major.
    pub fn radius(&self) -> Vec<f64> {
        self.each(|steps| {
            let sizes = steps.iter().zip(&self.signal);
            sizes.fold(0.0, |sum, (&k, &n)| f64::hypot(sum, k as f64 / n as f64))
        })
    }

    /// How many bins of the full spectrum each bin stands for: 1 or 2, row-major.
    pub fn multiplicity(&self) -> Vec<f64> {
        let last = self.signal[self.signal.len() - 1];
        self.each(|steps| {
            let k = steps[steps.len() - 1];
            if self.half && k != 0 && 2 * k != last {
                2.0
            } else {
                1.0
            }
        })
    }

    /// A mask of shape [`Self::dims`]: 1 where the radius is at most `cutoff` cycles per sample,
    /// else 0. Multiply with [`Spectrum::mask`].
    ///
    /// # Errors
    /// A cutoff that is negative or not finite.
    pub fn low_pass(&self, cutoff: f64, dtype: DType, device: &Device) -> Result<Tensor> {
        self.mask("low_pass", cutoff, dtype, device, |radius| radius <= cutoff)
    }

    /// The other bins: 1 where the radius is above `cutoff` cycles per sample, else 0.
    ///
    /// # Errors
    /// As [`Self::low_pass`].
    pub fn high_pass(&self, cutoff: f64, dtype: DType, device: &Device) -> Result<Tensor> {
        self.mask("high_pass", cutoff, dtype, device, |radius| radius > cutoff)
    }

    fn mask(
        &self,
        op: &'static str,
        cutoff: f64,
        dtype: DType,
        device: &Device,
        keep: impl Fn(f64) -> bool,
    ) -> Result<Tensor> {
        if !(0.0..f64::INFINITY).contains(&cutoff) {
            return Err(Error::Range {
                op,
                what: "the cutoff",
                range: "a finite number of cycles per sample, 0 or more",
                value: cutoff.to_string(),
            });
        }
        let mask = self
            .radius()
            .into_iter()
            .map(|r| f64::from(u8::from(keep(r))));
        let mask = Tensor::from_vec(mask.collect::<Vec<_>>(), self.dims(), &Device::Cpu)?;
        Ok(mask.to_dtype(dtype)?.to_device(device)?)
    }

    /// The ring of every bin, row-major: `floor(N * radius + 1/2)`, with `N` the smallest size of
    /// the signal; none beyond ring `N/2` (integer division). Ring `r` is thus an annulus of width
    /// `1/N` around the frequency `r / N` cycles per sample, and the corners of a 2-D spectrum, whose
    /// frequencies no axis reaches, belong to no ring.
    pub fn rings(&self) -> Vec<Option<usize>> {
        let smallest = self.smallest();
        self.each(|steps| {
            // In integers, so that no rounding decides on which side of an edge a bin falls: with
            // Q the product of the sizes, N radius = sqrt(sum of (N k Q / n)^2) / Q, and a bin lies
            // in ring r or above if (2 r - 1) Q <= 2 Q N radius.
            let product: u128 = self.signal.iter().map(|&n| n as u128).product();
            let scaled = steps.iter().zip(&self.signal).map(|(&k, &n)| {
                let part = smallest as u128 * k as u128 * (product / n as u128);
                part * part
            });
            let reach = 4 * scaled.sum::<u128>();
            let ring = (1..=smallest / 2 + 1)
                .take_while(|&r| (((2 * r - 1) as u128) * product).pow(2) <= reach)
                .count();
            (ring <= smallest / 2).then_some(ring)
        })
    }

    /// The smallest size of the signal.
    pub(crate) fn smallest(&self) -> usize {
        self.signal.iter().copied().min().unwrap_or(1)
    }

    /// Calls `f` with the distance of every bin from the zero frequency along each axis, in bins.
    fn each<R>(&self, f: impl Fn(&[usize]) -> R) -> Vec<R> {
        let dims = self.dims();
        let (rows, cols) = match *dims.as_slice() {
            [cols] => (None, cols),
            [rows, cols] => (Some(rows), cols),
            _ => return Vec::new(),
        };
        let mut out = Vec::with_capacity(dims.iter().product());
        for row in 0..rows.unwrap_or(1) {
            for col in 0..cols {
                let steps = [row, col];
                let steps = &steps[2 - dims.len()..];
                let folded = steps.iter().zip(&self.signal).map(|(&k, &n)| k.min(n - k));
                out.push(f(&folded.collect::<Vec<_>>()));
            }
        }
        out
    }
}
