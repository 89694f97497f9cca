//! Where and in what a case is computed.

use candle_core::{DType, Device};
use spectralkd_nn::Form;
use spectralkd_runtime::{Precision, Runtime};

/// A device and the type of tensors on it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) device: Device,
    pub(super) dtype: DType,
}

impl Place {
    /// What the others are compared with: f64 on the CPU.
    pub(super) fn reference() -> Self {
        Self {
            device: Device::Cpu,
            dtype: DType::F64,
        }
    }

    /// What is compared: f32, and bf16.
    pub(super) fn all_of(runtime: &Runtime) -> [Self; 2] {
        [Precision::F32, Precision::Bf16].map(|precision| Self {
            device: runtime.device.clone(),
            dtype: precision.dtype(),
        })
    }

    /// How layers compute there.
    pub(super) fn form(&self) -> Form {
        Form::of(&self.device, self.dtype)
    }

    /// The precision in words for a report.
    pub(super) fn precision(&self) -> Precision {
        match self.dtype {
            DType::BF16 => Precision::Bf16,
            _ => Precision::F32,
        }
    }

    /// The type of what stays wide where activations are halves: a teacher's outputs, a loss's own parameters.
    pub(super) fn wide(&self) -> DType {
        match self.dtype {
            DType::BF16 => DType::F32,
            other => other,
        }
    }
}
