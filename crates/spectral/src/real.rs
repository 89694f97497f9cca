//! The two element types that transforms are computed in, with their cached plans, and the checks
//! that every operation makes first.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use candle_core::{DType, Tensor, WithDType};
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftNum, FftPlanner};

use crate::{Error, Result};

/// Planners keep every plan they have made, so that a size is planned once per process.
pub(crate) struct Planner<T: FftNum> {
    real: RealFftPlanner<T>,
    complex: FftPlanner<T>,
}

impl<T: FftNum> Planner<T> {
    fn new() -> Mutex<Self> {
        Mutex::new(Self {
            real: RealFftPlanner::new(),
            complex: FftPlanner::new(),
        })
    }
}

/// f32 and f64.
pub(crate) trait Real: WithDType + FftNum {
    #[doc(hidden)]
    fn planner() -> &'static Mutex<Planner<Self>>;

    fn with_planner<R>(plan: impl FnOnce(&mut Planner<Self>) -> R) -> R {
        // A planner that panicked half-way holds only finished plans: its lock need not stay
        // poisoned.
        plan(
            &mut Self::planner()
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Real rows of `n` samples to `n/2 + 1` complex ones.
    fn plan_r2c(n: usize) -> Arc<dyn RealToComplex<Self>> {
        Self::with_planner(|p| p.real.plan_fft_forward(n))
    }

    /// The way back, unnormalised.
    fn plan_c2r(n: usize) -> Arc<dyn ComplexToReal<Self>> {
        Self::with_planner(|p| p.real.plan_fft_inverse(n))
    }

    /// Complex to complex over `n` samples, unnormalised.
    fn plan_forward(n: usize) -> Arc<dyn Fft<Self>> {
        Self::with_planner(|p| p.complex.plan_fft_forward(n))
    }

    /// The way back, unnormalised.
    fn plan_inverse(n: usize) -> Arc<dyn Fft<Self>> {
        Self::with_planner(|p| p.complex.plan_fft_inverse(n))
    }
}

impl Real for f32 {
    fn planner() -> &'static Mutex<Planner<f32>> {
        static PLANNER: LazyLock<Mutex<Planner<f32>>> = LazyLock::new(Planner::new);
        &PLANNER
    }
}

impl Real for f64 {
    fn planner() -> &'static Mutex<Planner<f64>> {
        static PLANNER: LazyLock<Mutex<Planner<f64>>> = LazyLock::new(Planner::new);
        &PLANNER
    }
}

/// The tensor in the precision that transforms are computed in: half types become f32
/// (differentiably), f32 and f64 stay, anything else is an error.
pub(crate) fn to_working_precision(op: &'static str, x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::F32 | DType::F64 => Ok(x.clone()),
        DType::F16 | DType::BF16 => Ok(x.to_dtype(DType::F32)?),
        dtype => Err(Error::DType { op, dtype }),
    }
}

/// Checks that none of the last axes, given by their names in order, is missing or empty.
pub(crate) fn check_axes(
    op: &'static str,
    expected: &'static str,
    x: &Tensor,
    axes: &[&'static str],
) -> Result<()> {
    let dims = x.dims();
    if dims.len() < axes.len() {
        return Err(Error::Rank {
            op,
            expected,
            shape: dims.to_vec(),
        });
    }
    let sizes = &dims[dims.len() - axes.len()..];
    match axes.iter().zip(sizes).find(|(_, size)| **size == 0) {
        Some((axis, _)) => Err(Error::EmptyAxis {
            op,
            axis: axis.to_string(),
            shape: dims.to_vec(),
        }),
        None => Ok(()),
    }
}
