//! The accumulators of one layer.

use std::ops::RangeInclusive;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_spectral::{ChannelSpectrum, PermutedSpectra, SpatialSpectrum};

use super::AnalysisOptions;
use super::analysed::{AnalysedLayer, BinQuantiles, Permuted, mean};
use super::covariance::{Covariance, entropy};
use super::value_histogram::ValueHistogram;
use crate::error::Result;

#[derive(Clone, Debug)]
pub(super) struct LayerAnalysis {
    index: usize,
    /// C, H, W.
    pub(super) shape: [usize; 3],
    pub(super) images: u64,
    pub(super) values: ValueHistogram,
    channels: ChannelSpectrum,
    spatial: SpatialSpectrum,
    covariance: Covariance,
    /// The order as it is, then the random ones.
    permuted: Option<PermutedSpectra>,
    /// Images that the permutations may still see, of those they may see at all.
    permutation_images: (usize, usize),
}

impl LayerAnalysis {
    pub(super) fn new(index: usize, shape: [usize; 3], options: &AnalysisOptions) -> Result<Self> {
        let [channels, height, width] = shape;
        let wanted = options.permutations > 0 && options.permutation_images > 0;
        let permuted = wanted.then(|| {
            let stream = Stream::new(options.seed, "channel permutation").at(index as u64);
            let random =
                (0..options.permutations as u64).map(|p| stream.at(p).permutation(channels));
            let own = (0..channels as u32).collect();
            PermutedSpectra::new(channels, std::iter::once(own).chain(random).collect())
        });
        Ok(Self {
            index,
            shape,
            images: 0,
            values: ValueHistogram::new(),
            channels: ChannelSpectrum::new(channels),
            spatial: SpatialSpectrum::new([height, width]),
            covariance: Covariance::new(channels),
            permuted: permuted.transpose()?,
            permutation_images: (options.permutation_images, options.permutation_images),
        })
    }

    /// Adds finite features `[B, C, H, W]` of this layer's shape.
    pub(super) fn push(&mut self, features: &Tensor) -> Result<()> {
        let images = features.dim(0)?;
        if images == 0 {
            return Ok(());
        }
        let features = features.detach().to_device(&Device::Cpu)?;
        self.channels.push(&features)?;
        self.spatial.push(&features)?;
        self.covariance.push(&features)?;
        for image in 0..images {
            let values = features.get(image)?.flatten_all()?.to_dtype(DType::F64)?;
            self.values.push(&values.to_vec1::<f64>()?);
        }
        if let Some(permuted) = &mut self.permuted {
            let first = images.min(self.permutation_images.0);
            if first > 0 {
                permuted.push(&features.narrow(0, 0, first)?)?;
                self.permutation_images.0 -= first;
            }
        }
        self.images += images as u64;
        Ok(())
    }

    /// Adds what another analysis of a layer of this shape has seen.
    pub(super) fn merge(&mut self, other: &Self) -> Result<()> {
        self.channels.merge(&other.channels)?;
        self.spatial.merge(&other.spatial)?;
        self.covariance.merge(&other.covariance);
        self.values.merge(&other.values);
        if let (Some(own), Some(more)) = (&mut self.permuted, &other.permuted) {
            own.merge(more)?;
            // Each shard takes its own first images, and all of them count.
            self.permutation_images.0 += other.permutation_images.0;
            self.permutation_images.1 += other.permutation_images.1;
        }
        self.images += other.images;
        Ok(())
    }

    /// The results; `range` holds the values of all layers.
    pub(super) fn finish(&self, range: &RangeInclusive<f64>) -> Result<AnalysedLayer> {
        let [channels, height, width] = self.shape;
        let (amplitude, statistics) = (self.channels.amplitude(), self.channels.statistics());
        let smallest = height.min(width);
        let radial = self.spatial.radial()?.into_iter().enumerate();
        let spread_out = (channels > 1 && amplitude.iter().any(|a| *a > 0.0))
            .then(|| entropy(&amplitude) / (channels as f64).ln());
        let normalised = self.channels.normalised_intensity();
        Ok(AnalysedLayer {
            layer: self.index,
            channels,
            height,
            width,
            images: self.images,
            min: self.values.min,
            max: self.values.max,
            rms: self.channels.rms(),
            intensity: self.channels.intensity(),
            normalised_intensity: Some(normalised).filter(|n| n.is_finite()),
            quantiles: BinQuantiles {
                mean: statistics.mean(),
                standard_deviation: statistics.standard_deviation(),
                min: statistics.min(),
                p5: statistics.quantile(0.05)?,
                p50: statistics.quantile(0.5)?,
                p95: statistics.quantile(0.95)?,
                max: statistics.max(),
            },
            permuted: self.permuted()?,
            spectral_entropy: spread_out,
            feature_entropy: self.values.entropy(range.clone()),
            own_range_entropy: self.values.entropy(self.values.min..=self.values.max),
            spatial: self.spatial.amplitude(),
            radial: radial
                .map(|(r, a)| (r as f64 / smallest as f64, a))
                .collect(),
            effective_rank: self.covariance.effective_rank()?,
            amplitude,
        })
    }

    fn permuted(&self) -> Result<Option<Permuted>> {
        let Some(spectra) = self.permuted.as_ref().filter(|p| p.count() > 0) else {
            return Ok(None);
        };
        let channels = self.shape[0];
        let mut spectra = spectra.amplitudes();
        let own = spectra.next().unwrap_or_default();
        let random: Vec<Vec<f64>> = spectra.collect();
        let intensity = |half: &Vec<f64>| mean((0..channels).map(|k| half[k.min(channels - k)]));
        let bins = 0..own.len();
        let at = |level: f64| -> Vec<f64> {
            let bin = |k: usize| quantile(random.iter().map(|s| s[k]).collect(), level);
            bins.clone().map(bin).collect()
        };
        let intensities: Vec<f64> = random.iter().map(intensity).collect();
        Ok(Some(Permuted {
            images: (self.permutation_images.1 - self.permutation_images.0) as u64,
            permutations: random.len(),
            mean: bins
                .clone()
                .map(|k| mean(random.iter().map(|s| s[k])))
                .collect(),
            low: at(0.05),
            high: at(0.95),
            intensity: intensity(&own),
            intensity_low: quantile(intensities.clone(), 0.05),
            intensity_high: quantile(intensities, 0.95),
            amplitude: own,
        }))
    }
}

/// The quantile of at least one value by linear interpolation between ranks, NumPy's default.
fn quantile(mut values: Vec<f64>, level: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = level * (values.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(values.len() - 1);
    values[below] + (values[above] - values[below]) * (place - below as f64)
}
