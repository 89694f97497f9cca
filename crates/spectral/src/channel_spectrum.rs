//! The spectrum along the channel axis, accumulated over any number of images in constant memory.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use rustfft::num_complex::Complex;

use crate::planes::Planes;
use crate::real::{Real, check_axes, to_working_precision};
use crate::{Error, Result};

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
    count: u64,
    /// Sums of `|C F[k]|` for `k` in `0..=C/2`; the other bins mirror these, as features are real.
    amplitudes: Vec<f64>,
    /// Sum of `x[c]^2`.
    energy: f64,
}

impl ChannelSpectrum {
    /// An empty accumulator for features of so many channels.
    pub fn new(channels: usize) -> Self {
        Self {
            channels,
            count: 0,
            amplitudes: vec![0.0; channels / 2 + 1],
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
        let batch = match vectors.dtype() {
            DType::F64 => self.measure::<f64>(&vectors)?,
            _ => self.measure::<f32>(&vectors)?,
        };
        // The energy is a sum of squares of all values: finite only if they are.
        if !batch.energy.is_finite() {
            return Err(Error::NonFinite { shape });
        }
        self.merge(&batch)
    }

    /// Adds everything that another accumulator of the same width has seen.
    ///
    /// # Errors
    /// If the other accumulator has another number of channels.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if other.channels != self.channels {
            let from = format!("an accumulator of {} vectors", other.count);
            return Err(self.channel_mismatch(other.channels, from));
        }
        self.count += other.count;
        self.energy += other.energy;
        for (sum, value) in self.amplitudes.iter_mut().zip(&other.amplitudes) {
            *sum += value;
        }
        Ok(())
    }

    /// The number of channels `C`.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The number of channel vectors seen: images times positions.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The layer-wise spectrum: the mean of `|F[k]|` for the bins `k` in `0..C` (in the features'
    /// unit; bin `k` is the frequency `k / C` cycles per channel, and bins `k` and `C - k` are
    /// equal). NaN before the first vector.
    pub fn amplitude(&self) -> Vec<f64> {
        let total = self.count as f64 * self.channels as f64;
        (0..self.channels)
            .map(|k| self.amplitudes[k.min(self.channels - k)] / total)
            .collect()
    }

    /// The model-wise intensity of the layer: the mean of [`Self::amplitude`] over all `C` bins,
    /// the zero frequency included (in the features' unit). NaN before the first vector.
    pub fn intensity(&self) -> f64 {
        self.amplitude().iter().sum::<f64>() / self.channels as f64
    }

    /// The root mean square of all feature values seen (their mean is not subtracted). NaN before
    /// the first vector.
    pub fn rms(&self) -> f64 {
        (self.energy / (self.count as f64 * self.channels as f64)).sqrt()
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

    /// The sums over one batch `[B, H, W, C]`: tasks of a fixed number of vectors, added in order.
    fn measure<T: Real + Into<f64>>(&self, vectors: &Tensor) -> Result<Self> {
        const VECTORS_PER_TASK: usize = 256;
        let (storage, layout) = vectors.storage_and_layout();
        let candle_core::Storage::Cpu(storage) = &*storage else {
            return Err(candle_core::Error::msg("the features did not arrive on the CPU").into());
        };
        let planes = Planes::new(T::cpu_storage_as_slice(storage)?, layout)?;
        let (width, channels) = (planes.rows(), planes.cols());
        let per_task = (VECTORS_PER_TASK / width).max(1);
        let transform = f64::plan_r2c(channels);
        let tasks = (0..planes.count().div_ceil(per_task))
            .into_par_iter()
            .map(|task| {
                let mut sums = Self::new(channels);
                let mut rows = vec![0.0; width * channels];
                let mut bins = vec![Complex::new(0.0, 0.0); channels / 2 + 1];
                let mut scratch = vec![Complex::new(0.0, 0.0); transform.get_scratch_len()];
                let first = task * per_task;
                for plane in first..(first + per_task).min(planes.count()) {
                    planes.for_each(plane, |w, c, value| rows[w * channels + c] = value.into());
                    for row in rows.chunks_exact_mut(channels) {
                        sums.energy += row.iter().map(|x| x * x).sum::<f64>();
                        transform
                            .process_with_scratch(row, &mut bins, &mut scratch)
                            .map_err(candle_core::Error::msg)?;
                        for (sum, bin) in sums.amplitudes.iter_mut().zip(&bins) {
                            *sum += bin.norm();
                        }
                        sums.count += 1;
                    }
                }
                Ok(sums)
            });
        let mut batch = Self::new(channels);
        for sums in tasks.collect::<Result<Vec<_>>>()? {
            batch.merge(&sums)?;
        }
        Ok(batch)
    }
}
