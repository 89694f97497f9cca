//! The two-dimensional transform of real tensors, and its adjoint as a custom op.

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result as CandleResult, Shape, Tensor};

use crate::fft2::Fft2;
use crate::matrices;
use crate::planes::Planes;
use crate::real::{Real, check_axes, to_working_precision};
use crate::{Norm, Result, Spectrum};

/// The 2-D discrete Fourier transform over the last two axes of a real tensor `[..., H, W]`,
/// columns `0..=W/2`:
///
/// `X[h', k] = s * sum over h, w of x[h, w] * exp(-2 pi i (h h' / H + w k / W))`,
/// with `s = norm.scale(H * W)`.
///
/// The same as `torch.fft.rfft2(x, norm=…)`. f32 and f64 are computed as they are, f16 and bf16 in
/// f32 (and the spectrum is f32 then); any strides. Differentiable: the gradient is the transform's
/// adjoint. On the CPU it is a fast Fourier transform, parallel over planes with results that do
/// not depend on the number of threads; on other devices it is [`crate::rfft2_by_matrices`].
///
/// # Errors
/// Fewer than two axes, an empty `H` or `W`, or an element type that is not floating point.
pub fn rfft2(x: &Tensor, norm: Norm) -> Result<Spectrum> {
    check_axes("rfft2", "[..., H, W]", x, &["H", "W"])?;
    let x = to_working_precision("rfft2", x)?;
    match x.device() {
        Device::Cpu => {
            let width = x.dims()[x.rank() - 1];
            let data = x.apply_op1(Forward { width, norm })?;
            Ok(Spectrum::new(data, width, norm))
        }
        _ => matrices::rfft2_by_matrices(&x, norm),
    }
}

/// `[..., H, W]` to `[2, ..., H, W/2 + 1]`.
struct Forward {
    width: usize,
    norm: Norm,
}

/// `[2, ..., H, W/2 + 1]` to `[..., H, W]`: the transpose of [`Forward`] as a real linear map.
struct Adjoint {
    width: usize,
    norm: Norm,
}

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "rfft2"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        fn run<T: Real>(
            storage: &CpuStorage,
            layout: &Layout,
            norm: Norm,
        ) -> CandleResult<CpuStorage> {
            let signal = Planes::new(T::cpu_storage_as_slice(storage)?, layout)?;
            let transform = Fft2::<T>::new(signal.rows(), signal.cols(), norm);
            Ok(T::to_cpu_storage_owned(transform.forward(&signal)?))
        }
        let storage = match storage {
            CpuStorage::F64(_) => run::<f64>(storage, layout, self.norm)?,
            _ => run::<f32>(storage, layout, self.norm)?,
        };
        let mut dims = vec![2];
        dims.extend_from_slice(layout.dims());
        if let Some(last) = dims.last_mut() {
            *last = self.width / 2 + 1;
        }
        Ok((storage, dims.into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        let (width, norm) = (self.width, self.norm);
        Ok(Some(grad.apply_op1(Adjoint { width, norm })?))
    }
}

impl CustomOp1 for Adjoint {
    fn name(&self) -> &'static str {
        "rfft2-adjoint"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        fn run<T: Real>(
            storage: &CpuStorage,
            layout: &Layout,
            width: usize,
            norm: Norm,
        ) -> CandleResult<CpuStorage> {
            let spectrum = Planes::new(T::cpu_storage_as_slice(storage)?, layout)?;
            let transform = Fft2::<T>::new(spectrum.rows(), width, norm);
            Ok(T::to_cpu_storage_owned(transform.adjoint(&spectrum)?))
        }
        let storage = match storage {
            CpuStorage::F64(_) => run::<f64>(storage, layout, self.width, self.norm)?,
            _ => run::<f32>(storage, layout, self.width, self.norm)?,
        };
        let mut dims = layout.dims()[1..].to_vec();
        if let Some(last) = dims.last_mut() {
            *last = self.width;
        }
        Ok((storage, dims.into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        let (width, norm) = (self.width, self.norm);
        Ok(Some(grad.apply_op1(Forward { width, norm })?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    #[test]
    fn the_adjoint_of_the_adjoint_is_the_transform() -> Result<()> {
        for (height, width) in [(3, 4), (4, 5), (1, 1), (2, 1)] {
            let wave = |shape: &[usize], step: f64| -> Result<Tensor> {
                let count = shape.iter().product::<usize>();
                Ok((Tensor::arange(0f64, count as f64, &Device::Cpu)? * step)?
                    .sin()?
                    .reshape(shape)?)
            };
            let norm = Norm::Forward;
            let spectrum = Var::from_tensor(&wave(&[2, 2, height, width / 2 + 1], 0.7)?)?;
            let weights = wave(&[2, height, width], 0.9)?;
            let image = spectrum.apply_op1(Adjoint { width, norm })?;
            let gradients = image.mul(&weights)?.sum_all()?.backward()?;
            let pulled = gradients
                .get(&spectrum)
                .cloned()
                .unwrap_or(weights.zeros_like()?);
            let expected = rfft2(&weights, norm)?.into_tensor();
            let worst = (pulled - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(worst < 1e-15, "{height}x{width}: {worst}");
        }
        Ok(())
    }
}
