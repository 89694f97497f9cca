//! The covariance of channels, and how many directions it fills.

use candle_core::{DType, Device, Tensor};

use super::eigenvalues::eigenvalues;
use crate::error::{Error, Result};

/// The streaming covariance of the channels, images and positions as samples, means subtracted:
/// blocks are centred by themselves and put together by the formula of Chan, Golub and LeVeque.
#[derive(Clone, Debug)]
pub(super) struct Covariance {
    count: u64,
    mean: Vec<f64>,
    /// Sum over samples of `(x - mean)(x - mean)'`, `[C, C]`.
    scatter: Vec<f64>,
}

/// Vectors of one block: bounds the memory of its copies.
const VECTORS: usize = 2048;

impl Covariance {
    pub(super) fn new(channels: usize) -> Self {
        Self {
            count: 0,
            mean: vec![0.0; channels],
            scatter: vec![0.0; channels * channels],
        }
    }

    /// Adds features `[B, C, H, W]`.
    pub(super) fn push(&mut self, features: &Tensor) -> Result<()> {
        let (images, channels, height, width) = features.dims4()?;
        let vectors = features.permute((0, 2, 3, 1))?;
        let per_block = (VECTORS / (height * width)).max(1);
        for first in (0..images).step_by(per_block) {
            let here = per_block.min(images - first);
            let block = vectors.narrow(0, first, here)?.to_dtype(DType::F64)?;
            let count = here * height * width;
            let mut values = block.flatten_all()?.to_vec1::<f64>()?;
            let mut mean = vec![0.0; channels];
            for row in values.chunks_exact(channels) {
                mean.iter_mut().zip(row).for_each(|(m, x)| *m += x);
            }
            mean.iter_mut().for_each(|m| *m /= count as f64);
            for row in values.chunks_exact_mut(channels) {
                row.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m);
            }
            let centred = Tensor::from_vec(values, (count, channels), &Device::Cpu)?;
            let scatter = centred.t()?.matmul(&centred)?.flatten_all()?.to_vec1()?;
            let count = count as u64;
            self.merge(&Self {
                count,
                mean,
                scatter,
            });
        }
        Ok(())
    }

    /// Adds what another one of as many channels has seen.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (n, more) = (self.count as f64, other.count as f64);
        let share = more / (n + more);
        let delta: Vec<f64> = other
            .mean
            .iter()
            .zip(&self.mean)
            .map(|(b, a)| b - a)
            .collect();
        let width = self.mean.len();
        let rows = self
            .scatter
            .chunks_exact_mut(width)
            .zip(other.scatter.chunks_exact(width));
        for ((row, more), di) in rows.zip(&delta) {
            for ((sum, more), dj) in row.iter_mut().zip(more).zip(&delta) {
                *sum += more + di * dj * n * share;
            }
        }
        self.mean
            .iter_mut()
            .zip(&delta)
            .for_each(|(m, d)| *m += d * share);
        self.count += other.count;
    }

    /// The effective rank of the covariance (Roy and Vetterli, 2007): the exponential of the entropy
    /// of its eigenvalues divided by their sum, 1 to C. None where nothing varies.
    pub(super) fn effective_rank(&self) -> Result<Option<f64>> {
        let size = self.mean.len();
        // Scaled, so that no square of an entry overflows or vanishes.
        let largest = self.scatter.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        if largest == 0.0 || self.count == 0 {
            return Ok(None);
        }
        let scaled = self.scatter.iter().map(|x| x / largest).collect();
        let values = eigenvalues(scaled, size).ok_or(Error::Eigenvalues { size })?;
        Ok(Some(entropy(&values).exp()))
    }
}

/// The entropy, in nats, of values of at least 0 (rounding below that counts as 0) divided by their
/// sum; 0 where that is 0.
pub(super) fn entropy(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().map(|v| v.max(0.0)).sum();
    let parts = values.iter().filter(|v| **v > 0.0).map(|v| v / sum);
    -parts.filter(|p| *p > 0.0).map(|p| p * p.ln()).sum::<f64>() + 0.0
}
