//! The element-wise updates of the optimiser and the moving average, in place on the CPU.
//!
//! Each is a candle `InplaceOp`: no temporary tensor, one pass over memory, split into fixed
//! chunks over the rayon pool. Elements do not touch one another, so the result is the same to
//! the bit over any number of threads. Other devices take the composed versions in
//! [`crate::optimiser`] and [`crate::ema`].

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, bail};
use pulp::Arch;
use rayon::prelude::*;

/// Elements per task of the thread pool: a few microseconds' work.
const CHUNK: usize = 16 * 1024;

/// Whether a tensor can be updated by these kernels.
pub(crate) fn supports(tensor: &Tensor) -> bool {
    use candle_core::DType;
    tensor.device().is_cpu() && matches!(tensor.dtype(), DType::F32 | DType::F64)
}

/// First moment: `m <- m + w (s g - m)`, which is PyTorch's `exp_avg.lerp_(grad, 1 - beta1)`.
/// From `w = 1/2` on it is `s g - (s g - m)(1 - w)`, as PyTorch's lerp has it.
pub(crate) struct FirstMoment {
    /// `w = 1 - beta1`.
    pub weight: f64,
    /// `s`, the factor of gradient clipping.
    pub scale: f64,
}

/// Second moment: `v <- beta2 v + (1 - beta2) (s g)^2`.
pub(crate) struct SecondMoment {
    pub beta2: f64,
    pub scale: f64,
}

/// Parameter: `p <- p (1 - lr decay) - step m / (sqrt(v) / correction + eps)`.
pub(crate) struct Update {
    /// `1 - lr decay`; 1 for parameters without decay.
    pub keep: f64,
    /// `lr / (1 - beta1^t)`.
    pub step: f64,
    /// `sqrt(1 - beta2^t)`.
    pub correction: f64,
    pub eps: f64,
}

/// Moving average: `e <- decay e + (1 - decay) w`.
pub(crate) struct Average {
    pub decay: f64,
}

/// What the kernels need of a float type.
trait Real: Copy + Send + Sync {
    fn of(x: f64) -> Self;
}

impl Real for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }
}

/// The kernels for one float type. Scalars are rounded to the type before use, as PyTorch does;
/// nothing is contracted to a fused multiply-add, so that every machine rounds alike.
macro_rules! kernels {
    ($module:ident, $real:ty) => {
        mod $module {
            use super::*;

            type T = $real;

            pub fn first_moment(m: &mut [T], g: &[T], op: &FirstMoment) {
                let (w, s) = (T::of(op.weight), T::of(op.scale));
                let rest = T::of(op.weight - 1.0);
                if op.weight < 0.5 {
                    each2(
                        m,
                        g,
                        #[inline(always)]
                        |m, &g| *m += w * (s * g - *m),
                    );
                } else {
                    each2(
                        m,
                        g,
                        #[inline(always)]
                        |m, &g| *m = s * g + rest * (s * g - *m),
                    );
                }
            }

            pub fn second_moment(v: &mut [T], g: &[T], op: &SecondMoment) {
                let (b, a, s) = (T::of(op.beta2), T::of(1.0 - op.beta2), T::of(op.scale));
                each2(
                    v,
                    g,
                    #[inline(always)]
                    |v, &g| *v = b * *v + a * (s * g) * (s * g),
                );
            }

            pub fn update(p: &mut [T], m: &[T], v: &[T], op: &Update) {
                let (keep, step) = (T::of(op.keep), T::of(-op.step));
                let (correction, eps) = (T::of(op.correction), T::of(op.eps));
                each3(
                    p,
                    m,
                    v,
                    #[inline(always)]
                    |p, &m, &v| {
                        *p = keep * *p + step * m / (v.sqrt() / correction + eps);
                    },
                );
            }

            pub fn average(e: &mut [T], w: &[T], op: &Average) {
                let (keep, take) = (T::of(op.decay), T::of(1.0 - op.decay));
                each2(
                    e,
                    w,
                    #[inline(always)]
                    |e, &w| *e = keep * *e + take * w,
                );
            }
        }
    };
}

kernels!(single, f32);
kernels!(double, f64);

/// `f` on every pair, chunk by chunk, with the widest vectors the processor has.
fn each2<T: Real>(dst: &mut [T], src: &[T], f: impl Fn(&mut T, &T) + Sync) {
    let run = |(dst, src): (&mut [T], &[T])| {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (d, s) in dst.iter_mut().zip(src) {
                    f(d, s);
                }
            },
        );
    };
    if dst.len() <= CHUNK {
        run((dst, src));
    } else {
        dst.par_chunks_mut(CHUNK)
            .zip(src.par_chunks(CHUNK))
            .for_each(run);
    }
}

/// `f` on every triple, likewise.
fn each3<T: Real>(dst: &mut [T], a: &[T], b: &[T], f: impl Fn(&mut T, &T, &T) + Sync) {
    let run = |((dst, a), b): ((&mut [T], &[T]), &[T])| {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for ((d, a), b) in dst.iter_mut().zip(a).zip(b) {
                    f(d, a, b);
                }
            },
        );
    };
    if dst.len() <= CHUNK {
        run(((dst, a), b));
    } else {
        dst.par_chunks_mut(CHUNK)
            .zip(a.par_chunks(CHUNK))
            .zip(b.par_chunks(CHUNK))
            .for_each(run);
    }
}

/// The part of a buffer that a contiguous layout covers.
fn range(op: &str, layout: &Layout) -> Result<std::ops::Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!(
            "{op}: tensor of shape {:?} is not contiguous",
            layout.shape()
        ),
    }
}

/// An operation of one destination and one source, for both float types.
macro_rules! inplace2 {
    ($op:ident, $name:literal, $kernel:ident) => {
        impl InplaceOp2 for $op {
            fn name(&self) -> &'static str {
                $name
            }

            fn cpu_fwd(
                &self,
                dst: &mut CpuStorage,
                dst_layout: &Layout,
                src: &CpuStorage,
                src_layout: &Layout,
            ) -> Result<()> {
                let d = range($name, dst_layout)?;
                let s = range($name, src_layout)?;
                match (dst, src) {
                    (CpuStorage::F32(dst), CpuStorage::F32(src)) => {
                        single::$kernel(&mut dst[d], &src[s], self);
                    }
                    (CpuStorage::F64(dst), CpuStorage::F64(src)) => {
                        double::$kernel(&mut dst[d], &src[s], self);
                    }
                    _ => bail!("{}: both tensors must be f32, or both f64", $name),
                }
                Ok(())
            }
        }
    };
}

inplace2!(FirstMoment, "adamw-first-moment", first_moment);
inplace2!(SecondMoment, "adamw-second-moment", second_moment);
inplace2!(Average, "moving-average", average);

impl InplaceOp3 for Update {
    fn name(&self) -> &'static str {
        "adamw-update"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        parameter_layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> Result<()> {
        let p = range(self.name(), parameter_layout)?;
        let m = range(self.name(), first_layout)?;
        let v = range(self.name(), second_layout)?;
        match (parameter, first, second) {
            (CpuStorage::F32(dst), CpuStorage::F32(first), CpuStorage::F32(second)) => {
                single::update(&mut dst[p], &first[m], &second[v], self);
            }
            (CpuStorage::F64(dst), CpuStorage::F64(first), CpuStorage::F64(second)) => {
                double::update(&mut dst[p], &first[m], &second[v], self);
            }
            _ => bail!("{}: all tensors must be f32, or all f64", self.name()),
        }
        Ok(())
    }
}
