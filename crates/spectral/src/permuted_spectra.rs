//! Channel spectra of the same features under many orders of their channels.

use std::sync::Arc;

use candle_core::{DType, Device, Storage, Tensor};
use rayon::prelude::*;
use rustfft::num_complex::Complex;

use crate::planes::Planes;
use crate::real::{Real, check_axes, to_working_precision};
use crate::{Error, Result};

/// The mean amplitude spectra of feature maps along their channels ([`crate::ChannelSpectrum`]),
/// one for every given order of the channels: the control for all that a channel spectrum shows,
/// since the order of the channels of a network is arbitrary.
///
/// Transforms are f32 and sums f64: means agree with f64 transforms to about 1e-7 of the features'
/// root mean square. Memory: one sum per order and bin. The number of threads changes nothing.
#[derive(Clone, Debug)]
pub struct PermutedSpectra {
    channels: usize,
    orders: Arc<Vec<Vec<u32>>>,
    count: u64,
    /// Sums of `|F[k]|`, `[orders, C/2 + 1]`.
    sums: Vec<f64>,
}

/// Vectors that all orders work through before the next ones: they stay in the cache.
const VECTORS_PER_BLOCK: usize = 256;

impl PermutedSpectra {
    /// An empty accumulator: order `p` puts channel `orders[p][i]` at place `i`.
    ///
    /// # Errors
    /// An order that is no permutation of the channels `0..channels`.
    pub fn new(channels: usize, orders: Vec<Vec<u32>>) -> Result<Self> {
        for (p, order) in orders.iter().enumerate() {
            let mut seen = vec![false; channels];
            let fresh = |&c: &u32| {
                let place = seen.get_mut(c as usize);
                place.is_some_and(|s| !std::mem::replace(s, true))
            };
            if order.len() != channels || !order.iter().all(fresh) {
                return Err(Error::Range {
                    op: "PermutedSpectra::new",
                    what: "every order",
                    range: "a permutation of the channels",
                    value: format!(
                        "order {p} of {} entries for {channels} channels",
                        order.len()
                    ),
                });
            }
        }
        Ok(Self {
            channels,
            count: 0,
            sums: vec![0.0; orders.len() * (channels / 2 + 1)],
            orders: Arc::new(orders),
        })
    }

    /// Adds the `B * H * W` channel vectors of one batch of features `[B, C, H, W]`, any strides
    /// and floating-point type.
    ///
    /// # Errors
    /// As [`crate::ChannelSpectrum::push`]; the accumulator is as it was then.
    pub fn push(&mut self, features: &Tensor) -> Result<()> {
        const OP: &str = "PermutedSpectra::push";
        let shape = features.dims().to_vec();
        if shape.len() != 4 {
            let expected = "[B, C, H, W]";
            return Err(Error::Rank {
                op: OP,
                expected,
                shape,
            });
        }
        check_axes(OP, "[B, C, H, W]", features, &["C", "H", "W"])?;
        if shape[1] != self.channels {
            return Err(self.mismatch(shape[1], format!("features of shape {shape:?}")));
        }
        let features = to_working_precision(OP, &features.detach())?;
        let vectors = features.to_device(&Device::Cpu)?.permute((0, 2, 3, 1))?;
        match vectors.dtype() {
            DType::F64 => self.add::<f64>(&vectors),
            _ => self.add::<f32>(&vectors),
        }
    }

    /// Adds everything that another accumulator with the same orders has seen.
    ///
    /// # Errors
    /// Another number of channels, or other orders.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if other.channels != self.channels {
            let from = format!("an accumulator of {} vectors", other.count);
            return Err(self.mismatch(other.channels, from));
        }
        if other.orders != self.orders {
            return Err(Error::Mismatch {
                op: "PermutedSpectra::merge",
                left: format!("{} orders", other.orders.len()),
                right: format!("{} others (make both with one seed)", self.orders.len()),
            });
        }
        self.count += other.count;
        for (sum, more) in self.sums.iter_mut().zip(&other.sums) {
            *sum += more;
        }
        Ok(())
    }

    /// The number of channel vectors seen: images times positions.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// For every order its spectrum, the mean of `|F[k]|` for the bins `k` in `0..=C/2` (the others
    /// mirror these). NaN before the first vector.
    pub fn amplitudes(&self) -> impl Iterator<Item = Vec<f64>> + '_ {
        let spectra = self.sums.chunks_exact(self.channels / 2 + 1);
        spectra.map(|sums| sums.iter().map(|sum| sum / self.count as f64).collect())
    }

    fn mismatch(&self, got: usize, from: String) -> Error {
        let expected = self.channels;
        Error::ChannelCount {
            expected,
            got,
            from,
        }
    }

    fn add<T: Real + Into<f64>>(&mut self, vectors: &Tensor) -> Result<()> {
        let (storage, layout) = vectors.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else {
            return Err(candle_core::Error::msg("the features did not arrive on the CPU").into());
        };
        let planes = Planes::new(T::cpu_storage_as_slice(storage)?, layout)?;
        let mut largest = 0f64;
        let mut finite = true;
        for plane in 0..planes.count() {
            planes.for_each(plane, |_, _, value| {
                let value: f64 = value.into();
                finite &= value.is_finite();
                largest = largest.max(value.abs());
            });
        }
        if !finite {
            let [b, h, w, c] = <[usize; 4]>::try_from(layout.dims()).unwrap_or_default();
            return Err(Error::NonFinite {
                shape: vec![b, c, h, w],
            });
        }
        // By a power of two, which is exact: squares neither overflow nor vanish in f32.
        let exponent = if largest > 0.0 {
            largest.log2().floor()
        } else {
            0.0
        };
        let (down, up) = (
            (-exponent.max(-1000.0)).exp2(),
            exponent.max(-1000.0).exp2(),
        );
        let (width, channels) = (planes.rows(), self.channels);
        let (bins, unit) = (channels / 2 + 1, up / channels as f64);
        let transform = f32::plan_r2c(channels);
        let buffers = || {
            (
                vec![0f32; channels],
                vec![Complex::new(0f32, 0.0); bins],
                vec![Complex::new(0f32, 0.0); transform.get_scratch_len()],
                vec![0f64; bins],
            )
        };
        let per_block = (VECTORS_PER_BLOCK / width).max(1);
        let mut block = Vec::with_capacity(per_block * width * channels);
        for first in (0..planes.count()).step_by(per_block) {
            block.clear();
            for plane in first..(first + per_block).min(planes.count()) {
                planes.for_each(plane, |_, _, value| {
                    block.push((value.into() * down) as f32)
                });
            }
            let work = self.sums.par_chunks_exact_mut(bins).zip(&*self.orders);
            work.for_each_init(buffers, |(row, spectrum, scratch, part), (sums, order)| {
                part.fill(0.0);
                for vector in block.chunks_exact(channels) {
                    for (to, &from) in row.iter_mut().zip(order) {
                        *to = vector[from as usize];
                    }
                    // The buffers have the plan's own lengths, the only thing it can refuse.
                    let done = transform.process_with_scratch(row, spectrum, scratch);
                    debug_assert!(done.is_ok());
                    for (sum, bin) in part.iter_mut().zip(spectrum.iter()) {
                        *sum += f64::from((bin.re * bin.re + bin.im * bin.im).sqrt());
                    }
                }
                for (sum, part) in sums.iter_mut().zip(part.iter()) {
                    *sum += part * unit;
                }
            });
        }
        self.count += (planes.count() * width) as u64;
        Ok(())
    }
}
