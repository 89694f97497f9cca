//! Where a computation runs.
//!
//! - [`Choice`]: what a person asks for, `cpu`, `cuda`, `cuda:1` or `auto`;
//! - [`Precision`]: in which numbers large products are computed;
//! - [`Runtime`]: both, opened; made once, and handed down.
//!
//! ```
//! use spectralkd_runtime::{Choice, Precision, Runtime};
//!
//! let runtime = Runtime::open("cpu".parse::<Choice>()?, Precision::F32)?;
//! assert!(runtime.device.is_cpu());
//! assert_eq!(runtime.to_string(), "cpu in f32");
//! # Ok::<(), spectralkd_runtime::Error>(())
//! ```
#![deny(missing_docs)]

mod card;
mod choice;
mod error;
mod precision;

use std::fmt;

use candle_core::Device;

pub use choice::{Choice, has_cuda};
pub use error::{Error, Result};
pub use precision::Precision;

/// The device that a process computes on, and how. One for each process: the precision of products is a switch of the
/// whole process in candle.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Where tensors lie.
    pub device: Device,
    /// In which numbers large products are computed.
    pub precision: Precision,
}

impl Runtime {
    /// The CPU, in f32.
    pub fn cpu() -> Self {
        Self {
            device: Device::Cpu,
            precision: Precision::F32,
        }
    }

    /// Opens the device, and sets the precision of products for the whole process.
    ///
    /// # Errors
    /// As [`Choice::open`]; [`Error::CardOnly`] for a precision other than f32 on the CPU.
    pub fn open(choice: Choice, precision: Precision) -> Result<Self> {
        let device = choice.open()?;
        if device.is_cpu() && precision != Precision::F32 {
            return Err(Error::CardOnly { precision });
        }
        precision.apply();
        Ok(Self { device, precision })
    }

    /// The device and its precision, and the card's name: `cpu in f32`, `cuda in tf32 (NVIDIA H200)`.
    pub fn in_words(&self) -> String {
        match self.card() {
            Some(card) => format!("{self} ({card})"),
            None => self.to_string(),
        }
    }

    /// What computes, in words: the card's name as its driver has it; none for the CPU.
    pub fn card(&self) -> Option<String> {
        card::name(&self.device)
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = match self.device.location() {
            candle_core::DeviceLocation::Cuda { gpu_id } => Choice::Cuda(gpu_id).to_string(),
            candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
            candle_core::DeviceLocation::Cpu => Choice::Cpu.to_string(),
        };
        write!(f, "{device} in {}", self.precision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_computes_in_f32_alone() {
        for precision in [Precision::Tf32, Precision::Bf16] {
            let refused = Runtime::open(Choice::Cpu, precision).unwrap_err();
            assert!(
                refused.to_string().contains(&precision.to_string()),
                "{refused}"
            );
        }
        assert_eq!(Runtime::cpu().precision, Precision::F32);
        assert_eq!(Runtime::cpu().in_words(), "cpu in f32");
    }

    #[test]
    fn auto_is_the_cpu_where_there_is_no_card() {
        let card = Choice::Cuda(0).open();
        let auto = Runtime::open(Choice::Auto, Precision::F32).unwrap();
        assert_eq!(auto.device.is_cpu(), card.is_err());
    }
}
