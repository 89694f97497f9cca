//! Where the bins of a spectrum lie: radial frequencies, masks, and averages over rings and bands.

use candle_core::{DType, Device, Tensor};

use crate::real::to_working_precision;
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

    /// The mean over each ring ([`Self::rings`]) of values given per bin: `[..., dims]` to `[...,
    /// N/2 + 1]`, ring `r` at frequency `r / N`. Half types are computed in f32 and come back as
    /// f32. Differentiable.
    ///
    /// # Errors
    /// If the last axes of `values` are not [`Self::dims`], or an element type that is not floating
    /// point.
    pub fn radial_average(&self, values: &Tensor) -> Result<Tensor> {
        let rings = self.rings();
        self.average(
            "radial_average",
            values,
            self.smallest() / 2 + 1,
            |bin, ring| rings[bin] == Some(ring),
        )
    }

    /// The mean over the bins of each band `edges[b] <= radius < edges[b + 1]` (cycles per sample)
    /// of values given per bin: `[..., dims]` to `[..., edges - 1]`. An upper edge above `sqrt(1/2)`
    /// takes all that is left. Types as [`Self::radial_average`]. Differentiable.
    ///
    /// # Errors
    /// Fewer than two edges, edges that do not increase, a band without bins, and as
    /// [`Self::radial_average`].
    pub fn band_average(&self, values: &Tensor, edges: &[f64]) -> Result<Tensor> {
        if edges.len() < 2 || !edges.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(Error::Range {
                op: "band_average",
                what: "the edges of the bands",
                range: "two or more increasing frequencies in cycles per sample",
                value: format!("{edges:?}"),
            });
        }
        let radius = self.radius();
        for pair in edges.windows(2) {
            if !radius.iter().any(|r| (pair[0]..pair[1]).contains(r)) {
                return Err(Error::EmptyBand {
                    low: pair[0],
                    high: pair[1],
                    signal: self.signal.clone(),
                });
            }
        }
        self.average("band_average", values, edges.len() - 1, |bin, band| {
            (edges[band]..edges[band + 1]).contains(&radius[bin])
        })
    }

    /// Averages over groups of bins, as one matrix product `[lead, bins] x [bins, groups]`.
    fn average(
        &self,
        op: &'static str,
        values: &Tensor,
        groups: usize,
        belongs: impl Fn(usize, usize) -> bool,
    ) -> Result<Tensor> {
        let dims = self.dims();
        let Some(lead) = values.dims().strip_suffix(dims.as_slice()) else {
            return Err(Error::Mismatch {
                op,
                left: format!("values of shape {:?}", values.dims()),
                right: format!("a spectrum with bins {dims:?} along its last axes"),
            });
        };
        let values = to_working_precision(op, values)?;
        let multiplicity = self.multiplicity();
        let mut matrix = vec![0.0; multiplicity.len() * groups];
        for group in 0..groups {
            let bins = || (0..multiplicity.len()).filter(|&bin| belongs(bin, group));
            let total: f64 = bins().map(|bin| multiplicity[bin]).sum();
            bins().for_each(|bin| matrix[bin * groups + group] = multiplicity[bin] / total);
        }
        let matrix = Tensor::from_vec(matrix, (multiplicity.len(), groups), &Device::Cpu)?
            .to_dtype(values.dtype())?
            .to_device(values.device())?;
        let rows = values.reshape((lead.iter().product::<usize>(), multiplicity.len()))?;
        Ok(rows.matmul(&matrix)?.reshape([lead, &[groups]].concat())?)
    }

    fn smallest(&self) -> usize {
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

/// The mean over rings of equal frequency of values given per bin of the spectrum of `[H, W]`
/// samples: `[..., H, W/2 + 1]` (half) or `[..., H, W]` (full), with `width` the samples `W`, to
/// `[..., N/2 + 1]`. Ring `r` holds the bins with `floor(N * radius + 1/2) == r`, `N = min(H, W)`,
/// the radius in cycles per sample; the corners beyond ring `N/2` are left out. See
/// [`FrequencyGrid::radial_average`]. Differentiable.
///
/// # Errors
/// Fewer than two axes, an empty one, a last axis that is neither `W/2 + 1` nor `W`, or an element
/// type that is not floating point.
pub fn radial_average(values: &Tensor, width: usize) -> Result<Tensor> {
    plane("radial_average", values, width)?.radial_average(values)
}

/// The mean over bands of radial frequency, `edges[b] <= radius < edges[b + 1]` in cycles per
/// sample, of values given per bin of the spectrum of `[H, W]` samples: `[..., H, W/2 + 1]` (half)
/// or `[..., H, W]` (full), with `width` the samples `W`, to `[..., edges - 1]`. See
/// [`FrequencyGrid::band_average`]. Differentiable.
///
/// # Errors
/// As [`radial_average`] and [`FrequencyGrid::band_average`].
pub fn band_average(values: &Tensor, width: usize, edges: &[f64]) -> Result<Tensor> {
    plane("band_average", values, width)?.band_average(values, edges)
}

/// The grid of values whose last axes are `[H, W/2 + 1]` or `[H, W]` (the same where both are
/// equal: W is 1 or 2 then, and every column its own mirror image).
fn plane(op: &'static str, values: &Tensor, width: usize) -> Result<FrequencyGrid> {
    crate::real::check_axes(op, "[..., H, W/2 + 1] or [..., H, W]", values, &["H", "W"])?;
    let rank = values.rank();
    let signal = [values.dims()[rank - 2], width];
    if values.dims()[rank - 1] == width {
        FrequencyGrid::full(&signal)
    } else {
        FrequencyGrid::half(&signal)
    }
}
