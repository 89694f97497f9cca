//! From grey levels to the numbers that a model sees.

use crate::{DatasetError, ImageSet, Result};

/// Per-channel normalisation, as torchvision's `ToTensor` and `Normalize`:
/// (byte / 255 - mean) / std, in f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalise {
    /// The mean of each channel, in units of 255 grey levels.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel, in units of 255 grey levels; above 0.
    pub std: Vec<f32>,
}

impl Normalise {
    /// The normalisation by ImageNet's mean and standard deviation of red, green and blue, as
    /// in timm's `IMAGENET_DEFAULT_MEAN` and `IMAGENET_DEFAULT_STD`.
    pub fn imagenet() -> Self {
        Self {
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
        }
    }

    /// The normalisation after which this set has mean 0 and standard deviation 1 in every
    /// channel. Exact sums: it does not depend on the order of the images.
    ///
    /// # Errors
    /// [`DatasetError::NormaliseValue`] if a channel is constant over the whole set.
    pub fn fit(set: &ImageSet) -> Result<Self> {
        let [channels, height, width] = set.shape();
        let mut histograms = vec![[0u64; 256]; channels];
        for i in 0..set.len() {
            let planes = set.image(i).chunks_exact(height * width);
            for (histogram, plane) in histograms.iter_mut().zip(planes) {
                for &byte in plane {
                    histogram[usize::from(byte)] += 1;
                }
            }
        }
        let count = (set.len() * height * width) as f64;
        let moment = |histogram: &[u64; 256], about: f64, power: i32| {
            let terms = (0..256).zip(histogram);
            let sum: f64 = terms
                .map(|(byte, &n)| n as f64 * (f64::from(byte) / 255.0 - about).powi(power))
                .sum();
            sum / count
        };
        let mut fitted = Self {
            mean: Vec::new(),
            std: Vec::new(),
        };
        for histogram in &histograms {
            let mean = moment(histogram, 0.0, 1);
            fitted.mean.push(mean as f32);
            fitted.std.push(moment(histogram, mean, 2).sqrt() as f32);
        }
        fitted.check(channels)?;
        Ok(fitted)
    }

    /// Checks that this fits images of so many channels.
    ///
    /// # Errors
    /// [`DatasetError::NormaliseChannels`] or [`DatasetError::NormaliseValue`].
    pub fn check(&self, channels: usize) -> Result<()> {
        if self.mean.len() != channels || self.std.len() != channels {
            return Err(DatasetError::NormaliseChannels {
                means: self.mean.len(),
                stds: self.std.len(),
                channels,
            });
        }
        for (channel, (&mean, &std)) in self.mean.iter().zip(&self.std).enumerate() {
            if !(mean.is_finite() && std.is_finite() && std > 0.0) {
                return Err(DatasetError::NormaliseValue { channel, mean, std });
            }
        }
        Ok(())
    }

    /// The value of every byte in every channel.
    pub(crate) fn tables(&self) -> Vec<[f32; 256]> {
        let table = |(&mean, &std): (&f32, &f32)| {
            std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std)
        };
        self.mean.iter().zip(&self.std).map(table).collect()
    }
}
