//! The three operations over planes `[..., H, W]` on which every transform rests, as custom ops
//! that are each other's adjoints; composed from matrix products on devices other than the CPU.

use candle_core::{
    CpuStorage, CustomOp1, Device, Layout, Result as CandleResult, Shape, Tensor, WithDType,
};

use crate::kernels::{ComplexPlane, Direction, Inner, RealPlane};
use crate::planes::Planes;
use crate::real::Real;
use crate::{Result, matrices};

/// Real planes `[..., H, W]` to half spectra `[2, ..., H, W/2 + 1]`, times `scale`.
pub(super) fn analyse(x: &Tensor, scale: f64, inner: Inner) -> Result<Tensor> {
    let width = x.dims()[x.rank() - 1];
    match x.device() {
        Device::Cpu => Ok(x.apply_op1(Analyse(Half {
            width,
            scale,
            inner,
        }))?),
        _ => matrices::analyse(x, scale, inner),
    }
}

/// Half spectra `[2, ..., H, width/2 + 1]` to real planes `[..., H, width]`, times `scale`.
pub(super) fn synthesise(data: &Tensor, width: usize, scale: f64, inner: Inner) -> Result<Tensor> {
    match data.device() {
        Device::Cpu => Ok(data.apply_op1(Synthesise(Half {
            width,
            scale,
            inner,
        }))?),
        _ => matrices::synthesise(data, width, scale, inner),
    }
}

/// Complex planes `[2, ..., H, W]` to as many, times `scale`.
pub(super) fn transform(data: &Tensor, scale: f64, direction: Direction) -> Result<Tensor> {
    match data.device() {
        Device::Cpu => Ok(data.apply_op1(Transform { scale, direction })?),
        _ => matrices::transform(data, scale, direction),
    }
}

/// Runs one body for the element type of a storage: f32 or f64, which callers have seen to.
macro_rules! in_precision {
    ($storage:expr, $T:ident => $body:expr) => {
        match $storage {
            CpuStorage::F64(_) => {
                type $T = f64;
                $T::to_cpu_storage_owned($body)
            }
            _ => {
                type $T = f32;
                $T::to_cpu_storage_owned($body)
            }
        }
    };
}

fn planes<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> CandleResult<Planes<'a, T>> {
    Planes::new(T::cpu_storage_as_slice(storage)?, layout)
}

fn with_last(mut dims: Vec<usize>, size: usize) -> Shape {
    if let Some(last) = dims.last_mut() {
        *last = size;
    }
    dims.into()
}

/// What both directions between real planes and half spectra share.
#[derive(Clone, Copy)]
struct Half {
    width: usize,
    scale: f64,
    inner: Inner,
}

impl Half {
    fn plan<T: Real>(self, height: usize) -> RealPlane<T> {
        RealPlane::new(height, self.width, self.scale, self.inner)
    }
}

struct Analyse(Half);

/// The transpose of [`Analyse`] as a real linear map.
struct Synthesise(Half);

impl CustomOp1 for Analyse {
    fn name(&self) -> &'static str {
        "fourier-analysis"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let out = in_precision!(storage, T => {
            let signal = planes::<T>(storage, layout)?;
            self.0.plan::<T>(signal.rows()).analyse(&signal)?
        });
        let dims = [&[2], layout.dims()].concat();
        Ok((out, with_last(dims, self.0.width / 2 + 1)))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        Ok(Some(grad.apply_op1(Synthesise(self.0))?))
    }
}

impl CustomOp1 for Synthesise {
    fn name(&self) -> &'static str {
        "fourier-synthesis"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let out = in_precision!(storage, T => {
            let spectrum = planes::<T>(storage, layout)?;
            self.0.plan::<T>(spectrum.rows()).synthesise(&spectrum)?
        });
        Ok((out, with_last(layout.dims()[1..].to_vec(), self.0.width)))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        Ok(Some(grad.apply_op1(Analyse(self.0))?))
    }
}

struct Transform {
    scale: f64,
    direction: Direction,
}

impl CustomOp1 for Transform {
    fn name(&self) -> &'static str {
        "fourier-transform"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let out = in_precision!(storage, T => {
            let input = planes::<T>(storage, layout)?;
            let (height, width) = (input.rows(), input.cols());
            ComplexPlane::<T>::new(height, width, self.scale, self.direction).transform(&input)
        });
        Ok((out, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        Ok(Some(grad.apply_op1(Transform {
            scale: self.scale,
            direction: self.direction.reversed(),
        })?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Var};

    use super::*;

    fn wave(shape: &[usize], step: f64) -> Result<Tensor> {
        let count = shape.iter().product::<usize>();
        Ok((Tensor::arange(0f64, count as f64, &Device::Cpu)? * step)?
            .sin()?
            .reshape(shape)?)
    }

    fn worst(a: &Tensor, b: &Tensor) -> Result<f64> {
        assert_eq!(a.dims(), b.dims());
        Ok((a - b)?.abs()?.max_all()?.to_scalar::<f64>()?)
    }

    /// Value, and gradient of the product with `y`.
    fn both(
        x: &Tensor,
        y: &Tensor,
        op: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let x = Var::from_tensor(x)?;
        let out = op(&x)?;
        let gradients = out.mul(y)?.sum_all()?.backward()?;
        let gradient = gradients.get(&x).cloned().unwrap_or(x.zeros_like()?);
        Ok((out.detach(), gradient))
    }

    #[test]
    fn the_composed_paths_agree_with_the_kernels_in_value_and_gradient() -> Result<()> {
        for (h, w) in [(1, 1), (1, 2), (1, 7), (2, 1), (3, 4), (4, 5), (6, 6)] {
            let signal = wave(&[2, 3, h, w], 0.7)?;
            let half = wave(&[2, 2, 3, h, w / 2 + 1], 0.9)?;
            let full = wave(&[2, 2, 3, h, w], 1.1)?;
            let same = |x: &Tensor,
                        y: &Tensor,
                        fast: &dyn Fn(&Tensor) -> Result<Tensor>,
                        dense: &dyn Fn(&Tensor) -> Result<Tensor>|
             -> Result<()> {
                let (fast, dense) = (both(x, y, fast)?, both(x, y, dense)?);
                let error = worst(&fast.0, &dense.0)?.max(worst(&fast.1, &dense.1)?);
                assert!(error < 1e-13, "{h}x{w}: {error}");
                Ok(())
            };
            for inner in [Inner::Once, Inner::Twice] {
                same(&signal, &half, &|x| analyse(x, 0.5, inner), &|x| {
                    matrices::analyse(x, 0.5, inner)
                })?;
                same(&half, &signal, &|x| synthesise(x, w, 0.5, inner), &|x| {
                    matrices::synthesise(x, w, 0.5, inner)
                })?;
            }
            for direction in [Direction::Forward, Direction::Inverse] {
                let y = wave(&[2, 2, 3, h, w], 0.3)?;
                same(&full, &y, &|x| transform(x, 0.5, direction), &|x| {
                    matrices::transform(x, 0.5, direction)
                })?;
            }
        }
        Ok(())
    }

    #[test]
    fn f32_stays_f32_on_both_paths() -> Result<()> {
        let x = wave(&[2, 3, 4], 0.7)?.to_dtype(DType::F32)?;
        assert_eq!(analyse(&x, 1.0, Inner::Once)?.dtype(), DType::F32);
        let composed = matrices::analyse(&x, 1.0, Inner::Once)?;
        assert_eq!(composed.dtype(), DType::F32);
        Ok(())
    }
}
