//! What an analysis has found.

use super::value_histogram::Entropy;

/// The analysis of a model, layers ascending.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysedModel {
    /// The model's name, as figures show it.
    pub name: String,
    /// Images seen.
    pub images: u64,
    /// Its layers, ascending.
    pub layers: Vec<AnalysedLayer>,
}

/// What is known of one layer's features `[images, C, H, W]`. Amplitudes are in the features' unit.
///
/// Every quantity of the channel spectrum depends on the order of the channels, which is arbitrary,
/// but for bin 0 and the total energy: read it against [`Self::permuted`].
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysedLayer {
    /// Index of the layer.
    pub layer: usize,
    /// Channels `C`.
    pub channels: usize,
    /// Height `H` of the feature map.
    pub height: usize,
    /// Width `W` of the feature map.
    pub width: usize,
    /// Images seen.
    pub images: u64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The root mean square of all values, their mean not subtracted.
    pub rms: f64,
    /// The layer-wise spectrum `S[k]`: mean of `|F[k]|` over images and positions, `F` the Fourier
    /// transform over the channels divided by C, for the bins `k` in `0..C` at `k / C` cycles per
    /// channel.
    pub amplitude: Vec<f64>,
    /// The model-wise intensity `L`: the mean of [`Self::amplitude`] over all C bins, the zero
    /// frequency included.
    pub intensity: f64,
    /// `L sqrt(C) / (0.8862 RMS)`, 1 for white noise. None for a layer that is zero everywhere.
    pub normalised_intensity: Option<f64>,
    /// The distribution of `|F[k]|` over images and positions.
    pub quantiles: BinQuantiles,
    /// The control: the same spectrum under random channel orders. None if it was left out.
    pub permuted: Option<Permuted>,
    /// The entropy of `S[k]` over its sum, divided by `ln C`: 1 where all bins are alike. None for
    /// one channel, and for a layer that is zero everywhere.
    pub spectral_entropy: Option<f64>,
    /// The follow-up's feature entropy: of the histogram of all values in 100 bins of one width from
    /// the smallest to the largest value of *all layers* of the model.
    pub feature_entropy: Entropy,
    /// The same over this layer's own range of values, which an outlier may stretch.
    pub own_range_entropy: Entropy,
    /// The spatial spectrum: modulus of the ortho rfft2 over H and W, mean over images and channels,
    /// `[H, W/2 + 1]` row-major.
    pub spatial: Vec<f64>,
    /// Its mean over rings of equal frequency: (frequency in cycles per pixel of the map,
    /// amplitude). With `N = min(H, W)`, ring `r` of `0..=N/2` is at `r / N` and holds the bins of
    /// the full spectrum with `floor(N f + 1/2) = r`; the corners beyond are left out.
    pub radial: Vec<(f64, f64)>,
    /// The effective rank (Roy and Vetterli, 2007) of the channels' covariance, means subtracted,
    /// images and positions as samples: the exponential of the entropy of its eigenvalues over their
    /// sum, 1 to C. At most the number of samples less one. None where nothing varies.
    pub effective_rank: Option<f64>,
}

/// The distribution of amplitudes over images and positions, for the bins `k` in `0..=C/2` (bin
/// `C - k` mirrors bin `k`). Quantiles are within 1 %, all else is exact but for rounding.
#[derive(Clone, Debug, PartialEq)]
pub struct BinQuantiles {
    /// Means: the first half of [`AnalysedLayer::amplitude`].
    pub mean: Vec<f64>,
    /// Standard deviations (divisor: the number of vectors).
    pub standard_deviation: Vec<f64>,
    /// Smallest values.
    pub min: Vec<f64>,
    /// 5 % quantiles.
    pub p5: Vec<f64>,
    /// Medians.
    pub p50: Vec<f64>,
    /// 95 % quantiles.
    pub p95: Vec<f64>,
    /// Largest values.
    pub max: Vec<f64>,
}

/// The layer-wise spectrum under random orders of the channels, and in the network's own order on
/// the same images, for the bins `k` in `0..=C/2`. Bands are over the orders alone: quantiles of
/// `S[k]`, interpolated linearly between ranks.
#[derive(Clone, Debug, PartialEq)]
pub struct Permuted {
    /// Images that all orders were compared on.
    pub images: u64,
    /// Random orders.
    pub permutations: usize,
    /// `S[k]` in the network's own order.
    pub amplitude: Vec<f64>,
    /// Mean of `S[k]` over the random orders.
    pub mean: Vec<f64>,
    /// 5 % quantile of `S[k]` over the random orders.
    pub low: Vec<f64>,
    /// 95 % quantile of `S[k]` over the random orders.
    pub high: Vec<f64>,
    /// The intensity `L` in the network's own order.
    pub intensity: f64,
    /// 5 % quantile of `L` over the random orders.
    pub intensity_low: f64,
    /// 95 % quantile of `L` over the random orders.
    pub intensity_high: f64,
}

impl AnalysedModel {
    /// The layers with their relative depth: 0 for the first, 1 for the last.
    pub fn depths(&self) -> impl Iterator<Item = (f64, &AnalysedLayer)> {
        let last = self.layers.len().saturating_sub(1).max(1) as f64;
        let depth = move |(i, layer)| (i as f64 / last, layer);
        self.layers.iter().enumerate().map(depth)
    }
}

/// The arithmetic mean; NaN of nothing.
pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}
