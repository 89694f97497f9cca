//! Amplitude, phase and power of complex numbers.

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result as CandleResult, Shape, Tensor};
use rayon::prelude::*;

use crate::real::Real;
use crate::{Result, Spectrum};

impl Spectrum {
    /// The amplitudes `sqrt(re^2 + im^2)`, of shape [`Self::dims`]; neither overflow nor underflow on
    /// the way (`hypot`).
    ///
    /// Differentiable: the gradient is `(re, im) / amplitude`; at amplitude zero, where none exists,
    /// it is zero (PyTorch's choice too).
    pub fn amplitude(&self) -> Result<Tensor> {
        Ok(polar(self.as_tensor(), Part::Amplitude)?)
    }

    /// The phases `atan2(im, re)` in radians, in `-pi..=pi`, of shape [`Self::dims`]; 0 where both
    /// parts are +0.
    ///
    /// Differentiable: the gradient is `(-im, re) / amplitude^2`, and zero at amplitude zero. It
    /// grows without bound as the amplitude falls: rarely what a loss wants.
    pub fn phase(&self) -> Result<Tensor> {
        Ok(polar(self.as_tensor(), Part::Phase)?)
    }

    /// The power `re^2 + im^2`, of shape [`Self::dims`]. Differentiable: the gradient is `2 (re,
    /// im)`.
    pub fn power(&self) -> Result<Tensor> {
        Ok(self.as_tensor().sqr()?.sum(0)?)
    }
}

#[derive(Clone, Copy)]
enum Part {
    Amplitude,
    Phase,
}

/// `[2, ...]` to `[...]`. candle has no arc tangent: on other devices than the CPU the numbers take
/// the way over it.
fn polar(data: &Tensor, part: Part) -> CandleResult<Tensor> {
    let here = data.to_device(&Device::Cpu)?.contiguous()?;
    here.apply_op1(Polar(part))?.to_device(data.device())
}

struct Polar(Part);

impl CustomOp1 for Polar {
    fn name(&self) -> &'static str {
        match self.0 {
            Part::Amplitude => "amplitude",
            Part::Phase => "phase",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        fn run<T: Real + Into<f64>>(
            part: Part,
            storage: &CpuStorage,
            layout: &Layout,
        ) -> CandleResult<CpuStorage> {
            let Some((from, to)) = layout.contiguous_offsets() else {
                candle_core::bail!("amplitude and phase need contiguous numbers")
            };
            let (re, im) = T::cpu_storage_as_slice(storage)?[from..to].split_at((to - from) / 2);
            let polar = |(&re, &im): (&T, &T)| {
                let (re, im): (f64, f64) = (re.into(), im.into());
                <T as candle_core::WithDType>::from_f64(match part {
                    Part::Amplitude => re.hypot(im),
                    Part::Phase => im.atan2(re),
                })
            };
            let pairs = re.par_iter().with_min_len(4096).zip(im);
            Ok(T::to_cpu_storage_owned(pairs.map(polar).collect()))
        }
        let out = match storage {
            CpuStorage::F64(_) => run::<f64>(self.0, storage, layout)?,
            _ => run::<f32>(self.0, storage, layout)?,
        };
        Ok((out, layout.dims()[1..].into()))
    }

    fn bwd(&self, data: &Tensor, out: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        let amplitude = match self.0 {
            Part::Amplitude => out.clone(),
            Part::Phase => polar(data, Part::Amplitude)?,
        };
        // Where the amplitude is zero so are both parts, and with a divisor of 1 the gradient.
        let silent = amplitude.eq(0.0)?;
        let divisor = silent.where_cond(&amplitude.ones_like()?, &amplitude)?;
        let unit = data.broadcast_div(&divisor)?;
        Ok(Some(match self.0 {
            Part::Amplitude => unit.broadcast_mul(grad)?,
            Part::Phase => {
                let across = Tensor::stack(&[unit.get(1)?.neg()?, unit.get(0)?], 0)?;
                across.broadcast_mul(&(grad / divisor)?)?
            }
        }))
    }
}
