//! Mean, spread and quantiles of amplitudes per bin, over any number of vectors in constant memory.

use rayon::prelude::*;

use crate::log_bins::LogBins;
use crate::{Error, Result};

/// Streaming statistics of amplitudes, for every bin of a spectrum by itself.
///
/// Counts, smallest and largest values are exact. Mean and standard deviation follow Welford, with
/// the merge of Chan, Golub and LeVeque (1979): stable where the spread is far below the mean.
/// Quantiles come from fixed log-spaced bins and are within 1 % of the exact ones; amplitudes below
/// `2^-64` (5.4e-20) share one bin with zero, those of at least `2^64` another.
///
/// Memory per bin grows with the logarithm of the range of its values, to 35 KiB at most, and not
/// with their number. How values are cut into pushes and shards changes mean and standard deviation
/// by rounding, and nothing else; the number of threads changes nothing.
///
/// ```
/// use spectralkd_spectral::AmplitudeStatistics;
///
/// let mut statistics = AmplitudeStatistics::new(2);
/// // Two vectors with two bins each.
/// statistics.push(&[1.0, 10.0, 3.0, 10.0])?;
/// let mut other = AmplitudeStatistics::new(2);
/// other.push(&[8.0, 10.0])?;
/// statistics.merge(&other)?;
/// assert_eq!((statistics.count(), statistics.mean()), (3, vec![4.0, 10.0]));
/// assert!((statistics.quantile(0.5)?[0] / 3.0 - 1.0).abs() < 0.01);
/// assert_eq!((statistics.min(), statistics.max()), (vec![1.0, 10.0], vec![8.0, 10.0]));
/// # Ok::<(), spectralkd_spectral::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AmplitudeStatistics {
    count: u64,
    bins: Vec<Bin>,
}

#[derive(Clone, Debug)]
struct Bin {
    mean: f64,
    /// Sum of squared distances from the mean.
    spread: f64,
    min: f64,
    max: f64,
    quantiles: LogBins,
}

impl Bin {
    fn empty() -> Self {
        Self {
            mean: 0.0,
            spread: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            quantiles: LogBins::default(),
        }
    }

    /// Chan, Golub and LeVeque's update of `n` values with `more` others of this mean and spread.
    fn add_moments(&mut self, n: u64, more: u64, mean: f64, spread: f64) {
        let (n, more) = (n as f64, more as f64);
        let (delta, share) = (mean - self.mean, more / (n + more));
        self.mean += delta * share;
        self.spread += spread + delta * delta * n * share;
    }

    fn push(&mut self, before: u64, values: impl ExactSizeIterator<Item = f64> + Clone) {
        let more = values.len() as u64;
        let mean = values.clone().sum::<f64>() / more as f64;
        let spread = values.clone().map(|v| (v - mean) * (v - mean)).sum();
        self.add_moments(before, more, mean, spread);
        for value in values {
            self.min = self.min.min(value);
            self.max = self.max.max(value);
            self.quantiles.push(value);
        }
    }
}

impl AmplitudeStatistics {
    /// Empty statistics of spectra with so many bins.
    pub fn new(bins: usize) -> Self {
        Self {
            count: 0,
            bins: vec![Bin::empty(); bins],
        }
    }

    /// Adds the amplitudes of any number of spectra, one after the other: `[N, bins]` row-major.
    ///
    /// # Errors
    /// Values that make no whole number of spectra, or one that is NaN, infinite or below zero;
    /// nothing was added then.
    pub fn push(&mut self, amplitudes: &[f64]) -> Result<()> {
        const OP: &str = "AmplitudeStatistics::push";
        if amplitudes.is_empty() {
            return Ok(());
        }
        if self.bins.is_empty() || !amplitudes.len().is_multiple_of(self.bins.len()) {
            return Err(Error::Mismatch {
                op: OP,
                left: format!("{} amplitudes", amplitudes.len()),
                right: format!("spectra of {} bins", self.bins.len()),
            });
        }
        let good = |a: &f64| a.is_finite() && *a >= 0.0;
        if let Some(at) = amplitudes.iter().position(|a| !good(a)) {
            return Err(Error::Range {
                op: OP,
                what: "every amplitude",
                range: "a finite number of at least 0",
                value: format!("{} at index {at}", amplitudes[at]),
            });
        }
        self.add(amplitudes);
        Ok(())
    }

    /// [`Self::push`] of values that are known to be good.
    pub(crate) fn add(&mut self, amplitudes: &[f64]) {
        let (before, width) = (self.count, self.bins.len());
        self.bins.par_iter_mut().enumerate().for_each(|(k, bin)| {
            bin.push(before, amplitudes[k..].iter().step_by(width).copied());
        });
        self.count += (amplitudes.len() / width) as u64;
    }

    /// Adds everything that other statistics have seen.
    ///
    /// # Errors
    /// If the other ones have another number of bins.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if other.bins.len() != self.bins.len() {
            return Err(Error::Mismatch {
                op: "AmplitudeStatistics::merge",
                left: format!("statistics of {} bins", other.bins.len()),
                right: format!("statistics of {} bins", self.bins.len()),
            });
        }
        if other.count > 0 {
            for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
                bin.add_moments(self.count, other.count, more.mean, more.spread);
                bin.min = bin.min.min(more.min);
                bin.max = bin.max.max(more.max);
                bin.quantiles.merge(&more.quantiles);
            }
            self.count += other.count;
        }
        Ok(())
    }

    /// The number of bins.
    pub fn bins(&self) -> usize {
        self.bins.len()
    }

    /// The number of spectra seen, the same for every bin.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean of every bin. NaN before the first spectrum.
    pub fn mean(&self) -> Vec<f64> {
        self.each(|bin| bin.mean)
    }

    /// The standard deviation of every bin over the spectra seen (divisor: their number, as
    /// `numpy.std`). NaN before the first spectrum.
    pub fn standard_deviation(&self) -> Vec<f64> {
        self.each(|bin| (bin.spread / self.count as f64).sqrt())
    }

    /// The smallest value of every bin, exactly. NaN before the first spectrum.
    pub fn min(&self) -> Vec<f64> {
        self.each(|bin| bin.min)
    }

    /// The largest value of every bin, exactly. NaN before the first spectrum.
    pub fn max(&self) -> Vec<f64> {
        self.each(|bin| bin.max)
    }

    /// The quantile of every bin, within 1 %: of `n` values the one of rank `ceil(level * n)` (at
    /// least 1) in ascending order, NumPy's `inverted_cdf`. The first and the last rank are exact;
    /// below `2^-64` the error is below `2^-64`, from `2^64` on the largest value is given. NaN
    /// before the first spectrum.
    ///
    /// # Errors
    /// A level outside 0 to 1.
    pub fn quantile(&self, level: f64) -> Result<Vec<f64>> {
        if !(0.0..=1.0).contains(&level) {
            return Err(Error::Range {
                op: "AmplitudeStatistics::quantile",
                what: "the level",
                range: "from 0 to 1",
                value: level.to_string(),
            });
        }
        let rank = ((level * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        Ok(self.each(|bin| match rank {
            1 => bin.min,
            rank if rank == self.count => bin.max,
            rank => bin.quantiles.at_rank(rank).clamp(bin.min, bin.max),
        }))
    }

    fn each(&self, value: impl Fn(&Bin) -> f64) -> Vec<f64> {
        if self.count == 0 {
            return vec![f64::NAN; self.bins.len()];
        }
        self.bins.iter().map(value).collect()
    }
}
