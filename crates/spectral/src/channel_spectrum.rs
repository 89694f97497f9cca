//! The spectrum along the channel axis, accumulated over any number of images in constant memory.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use rustfft::num_complex::Complex;

use crate::planes::Planes;
use crate::real::{Real, check_axes, to_working_precision};
use crate::{AmplitudeStatistics, Error, Result};

/// The intensity of white Gaussian features of `C` channels and root mean square `s` is about
/// `0.8862 * s / sqrt(C)` (`0.8862` is `sqrt(pi) / 2`, the mean modulus of a standard complex
/// normal number).
pub const WHITE_NOISE_LEVEL: f64 = 0.8862;

/// A streaming mean of the amplitudes of feature maps along their channel axis.
///
/// Of every channel vector `x` (one per image and position) it takes the discrete Fourier transform
/// over the channels, divided by their number: `F[k] = 1/C * sum over c of x[c] * exp(-2 pi i k c /
/// C)`. The layer-wise spectrum is the mean of `|F[k]|` over images and positions, and the
/// intensity of a layer the mean of that over all `C` bins, the zero frequency included. This is
/// the analysis of the paper's authors (Distillation Dynamics, arXiv 2511.06848, released script).
///
/// **Channel order is arbitrary**: a permutation of the channels leaves only bin 0 and
/// [`Self::rms`] as they are. Intensities of different widths compare only after normalisation
/// ([`Self::normalised_intensity`]).
///
/// Transforms and sums are f64 whatever the features are. How the images are cut into batches
/// changes the results by rounding only, the number of threads not at all.
#[derive(Clone, Debug)]
pub struct ChannelSpectrum {
    channels: usize,
    /// Of `|F[k]|` for `k` in `0..=C/2`; the other bins mirror these, as features are real.
    statistics: AmplitudeStatistics,
    /// Sum of `x[c]^2`.
    energy: f64,
}

/// Vectors that are transformed before their amplitudes go into the statistics.
const VECTORS_PER_BLOCK: usize = 1024;

impl ChannelSpectrum {
    /// An empty accumulator for features of so many channels.
    pub fn new(channels: usize) -> Self {
        Self {
            channels,
            statistics: AmplitudeStatistics::new(channels / 2 + 1),
            energy: 0.0,
        }
    }

    /// Adds the `B * H * W` channel vectors of one batch of features `[B, C, H, W]`, any strides
    /// and floating-point type, on any device. Gradients play no part.
    ///
    /// # Errors
    /// Other shapes or channel counts, an element type that is not floating point, or a value that
    /// is not finite; the accumulator is as it was then.
    pub fn push(&mut self, features: &Tensor) -> Result<()> {
        const OP: &str = "ChannelSpectrum::push";
        let shape = features.dims().to_vec();
        if shape.len() != 4 {
            return Err(Error::Rank {
                op: OP,
                expected: "[B, C, H, W]",
                shape,
            });
        }
        check_axes(OP, "[B, C, H, W]", features, &["C", "H", "W"])?;
        if shape[1] != self.channels {
            let from = format!("features of shape {shape:?}");
            return Err(self.channel_mismatch(shape[1], from));
        }
        let features = to_working_precision(OP, &features.detach())?;
        let vectors = features.to_device(&Device::Cpu)?.permute((0, 2, 3, 1))?;
        match vectors.dtype() {
            DType::F64 => self.measure::<f64>(&vectors, shape),
            _ => self.measure::<f32>(&vectors, shape),
        }
    }

    /// Adds everything that another accumulator of the same width has seen.
    ///
    /// # Errors
    /// If the other accumulator has another number of channels.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if other.channels != self.channels {
            let from = format!("an accumulator of {} vectors", other.count());
            return Err(self.channel_mismatch(other.channels, from));
        }
        self.energy += other.energy;
        self.statistics.merge(&other.statistics)
    }

    /// The number of channels `C`.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The number of channel vectors seen: images times positions.
    pub fn count(&self) -> u64 {
        self.statistics.count()
    }

    /// The layer-wise spectrum: the mean of `|F[k]|` for the bins `k` in `0..C` (in the features'
    /// unit; bin `k` is the frequency `k / C` cycles per channel, and bins `k` and `C - k` are
    /// equal). NaN before the first vector.
    pub fn amplitude(&self) -> Vec<f64> {
        let mean = self.statistics.mean();
        (0..self.channels)
            .map(|k| mean[k.min(self.channels - k)])
            .collect()
    }

    /// Spread and quantiles of `|F[k]|` over images and positions, for the bins `k` in `0..=C/2`;
    /// the bins above mirror these.
    pub fn statistics(&self) -> &AmplitudeStatistics {
        &self.statistics
    }

    /// The model-wise intensity of the layer: the mean of [`Self::amplitude`] over all `C` bins,
    /// the zero frequency included (in the features' unit). NaN before the first vector.
    pub fn intensity(&self) -> f64 {
        self.amplitude().iter().sum::<f64>() / self.channels as f64
    }

    /// The root mean square of all feature values seen (their mean is not subtracted). NaN before
    /// the first vector.
    pub fn rms(&self) -> f64 {
        (self.energy / (self.count() as f64 * self.channels as f64)).sqrt()
    }

    /// The intensity relative to that of white noise of the same width and root mean square, `L *
    /// sqrt(C) / (0.8862 * RMS)`: about 1 for white features, less where few frequencies hold the
    /// energy. NaN before the first vector and for features that are zero everywhere.
    pub fn normalised_intensity(&self) -> f64 {
        self.intensity() * (self.channels as f64).sqrt() / (WHITE_NOISE_LEVEL * self.rms())
    }

    fn channel_mismatch(&self, got: usize, from: String) -> Error {
        Error::ChannelCount {
            expected: self.channels,
            got,
            from,
        }
    }

    /// Adds one batch `[B, H, W, C]`, whose features had the shape given, block by block.
    fn measure<T: Real + Into<f64>>(&mut self, vectors: &Tensor, shape: Vec<usize>) -> Result<()> {
        let (storage, layout) = vectors.storage_and_layout();
        let candle_core::Storage::Cpu(storage) = &*storage else {
            return Err(candle_core::Error::msg("the features did not arrive on the CPU").into());
        };
        let planes = Planes::new(T::cpu_storage_as_slice(storage)?, layout)?;
        let (width, channels) = (planes.rows(), planes.cols());
        let energy_of = |plane: usize| {
            let mut sum = 0.0;
            planes.for_each(plane, |_, _, value| {
                let value: f64 = value.into();
                sum += value * value;
            });
            sum
        };
        let energies = (0..planes.count()).into_par_iter().map(energy_of);
        let energy: f64 = energies.collect::<Vec<_>>().iter().sum();
        // A sum of squares is finite only if all values are; times C it bounds every |C F[k]|^2.
        if !(energy * channels as f64).is_finite() {
            return Err(Error::NonFinite { shape });
        }
        let transform = f64::plan_r2c(channels);
        let (bins, unit) = (channels / 2 + 1, 1.0 / channels as f64);
        let buffers = || {
            (
                vec![0.0; width * channels],
                vec![Complex::new(0.0, 0.0); bins],
                vec![Complex::new(0.0, 0.0); transform.get_scratch_len()],
            )
        };
        let per_block = (VECTORS_PER_BLOCK / width).max(1);
        let mut block = vec![0.0; per_block * width * bins];
        for first in (0..planes.count()).step_by(per_block) {
            let here = per_block.min(planes.count() - first);
            let block = &mut block[..here * width * bins];
            let work = block.par_chunks_exact_mut(width * bins).enumerate();
            work.for_each_init(buffers, |(rows, spectrum, scratch), (i, out)| {
                planes.for_each(first + i, |w, c, value| {
                    rows[w * channels + c] = value.into()
                });
                let both = rows
                    .chunks_exact_mut(channels)
                    .zip(out.chunks_exact_mut(bins));
                for (row, out) in both {
                    // The buffers have the plan's own lengths, the only thing it can refuse.
                    let done = transform.process_with_scratch(row, spectrum, scratch);
                    debug_assert!(done.is_ok());
                    for (out, bin) in out.iter_mut().zip(spectrum.iter()) {
                        *out = bin.norm_sqr().sqrt() * unit;
                    }
                }
            });
            self.statistics.add(block);
        }
        self.energy += energy;
        Ok(())
    }
}
