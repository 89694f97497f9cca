//! Averages over the rings and bands of a spectrum.

use candle_core::{Device, Tensor};

use crate::real::{check_axes, to_working_precision};
use crate::{Error, FrequencyGrid, Result};

impl FrequencyGrid {
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
                    signal: self.signal_dims().to_vec(),
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
    check_axes(op, "[..., H, W/2 + 1] or [..., H, W]", values, &["H", "W"])?;
    let rank = values.rank();
    let signal = [values.dims()[rank - 2], width];
    if values.dims()[rank - 1] == width {
        FrequencyGrid::full(&signal)
    } else {
        FrequencyGrid::half(&signal)
    }
}
