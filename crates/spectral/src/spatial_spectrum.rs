//! The two-dimensional spectrum of feature maps, accumulated over images and channels.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use crate::real::{check_axes, to_working_precision};
use crate::{Error, Norm, Result, radial_average, rfft2};

/// A streaming mean of the amplitudes of feature maps over space: the modulus of the ortho
/// [`rfft2`] over height and width, averaged over images and channels. f64 throughout.
#[derive(Clone, Debug)]
pub struct SpatialSpectrum {
    size: [usize; 2],
    count: u64,
    /// Sums of the modulus, `[H, W/2 + 1]`.
    sums: Vec<f64>,
}

impl SpatialSpectrum {
    /// An empty accumulator for maps of `[height, width]`, both at least 1.
    pub fn new(size: [usize; 2]) -> Self {
        Self {
            size,
            count: 0,
            sums: vec![0.0; size[0] * (size[1] / 2 + 1)],
        }
    }

    /// Adds the `B * C` maps of one batch of features `[B, C, H, W]`, any strides and
    /// floating-point type.
    ///
    /// # Errors
    /// Other shapes or sizes, an element type that is not floating point, or a value that is not
    /// finite; the accumulator is as it was then.
    pub fn push(&mut self, features: &Tensor) -> Result<()> {
        const OP: &str = "SpatialSpectrum::push";
        let shape = features.dims().to_vec();
        if shape.len() != 4 {
            let expected = "[B, C, H, W]";
            return Err(Error::Rank {
                op: OP,
                expected,
                shape,
            });
        }
        check_axes(OP, "[B, C, H, W]", features, &["H", "W"])?;
        if shape[2..] != self.size {
            return Err(Error::Mismatch {
                op: OP,
                left: format!("features of shape {shape:?}"),
                right: format!("maps of size {:?}", self.size),
            });
        }
        let features = to_working_precision(OP, &features.detach())?.to_device(&Device::Cpu)?;
        let bins = self.sums.len();
        let image = |b: usize| -> Result<Vec<f64>> {
            let maps = features.get(b)?.to_dtype(DType::F64)?;
            let both = rfft2(&maps, Norm::Ortho)?.into_tensor().flatten_all()?;
            let both = both.to_vec1::<f64>()?;
            let (re, im) = both.split_at(both.len() / 2);
            let mut sums = vec![0.0; bins];
            for (re, im) in re.chunks_exact(bins).zip(im.chunks_exact(bins)) {
                for (sum, (re, im)) in sums.iter_mut().zip(re.iter().zip(im)) {
                    *sum += (re * re + im * im).sqrt();
                }
            }
            Ok(sums)
        };
        let images: Vec<_> = (0..shape[0])
            .into_par_iter()
            .map(image)
            .collect::<Result<_>>()?;
        if !images.iter().flatten().all(|sum| sum.is_finite()) {
            return Err(Error::NonFinite { shape });
        }
        for image in images {
            for (sum, part) in self.sums.iter_mut().zip(image) {
                *sum += part;
            }
        }
        self.count += (shape[0] * shape[1]) as u64;
        Ok(())
    }

    /// Adds everything that another accumulator for maps of one size has seen.
    ///
    /// # Errors
    /// Another size.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if other.size != self.size {
            return Err(Error::Mismatch {
                op: "SpatialSpectrum::merge",
                left: format!("maps of size {:?}", other.size),
                right: format!("maps of size {:?}", self.size),
            });
        }
        self.count += other.count;
        for (sum, part) in self.sums.iter_mut().zip(&other.sums) {
            *sum += part;
        }
        Ok(())
    }

    /// Height and width of the maps.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The number of maps seen: images times channels.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean amplitudes, `[H, W/2 + 1]` row-major (in the features' unit). NaN before the first
    /// map.
    pub fn amplitude(&self) -> Vec<f64> {
        self.sums
            .iter()
            .map(|sum| sum / self.count as f64)
            .collect()
    }

    /// The mean over rings of equal frequency, `N/2 + 1` of them with `N = min(H, W)`: ring `r` is
    /// at `r / N` cycles per pixel of the map and holds the bins of the full spectrum whose radius
    /// `f` has `floor(N f + 1/2) = r`; corners beyond ring `N/2` are left out. See
    /// [`radial_average`].
    ///
    /// # Errors
    /// Maps of size zero.
    pub fn radial(&self) -> Result<Vec<f64>> {
        let [height, width] = self.size;
        let plane = Tensor::from_vec(self.amplitude(), (height, width / 2 + 1), &Device::Cpu)?;
        Ok(radial_average(&plane, width)?.to_vec1()?)
    }
}
