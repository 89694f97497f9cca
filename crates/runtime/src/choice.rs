//! What a person asks for.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Whether this build can use cards of NVIDIA: the feature `cuda`.
pub fn has_cuda() -> bool {
    candle_core::utils::cuda_is_available()
}

/// A device by name: in a file and on a command line `cpu`, `cuda` (the first card), `cuda:N`, `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Choice {
    /// The CPU.
    #[default]
    Cpu,
    /// The card of this number, counted from 0 as `nvidia-smi` does.
    Cuda(usize),
    /// The first card where this build and this machine have one, else the CPU.
    Auto,
}

impl Choice {
    /// Whether it may be a card.
    pub fn may_be_card(self) -> bool {
        self != Self::Cpu
    }

    /// Opens the device. A card gets a stream of its own: candle's default is one for each thread, and a tensor that
    /// another thread takes is then read before it is ready (docs/GPU.md).
    ///
    /// # Errors
    /// [`Error::NotBuilt`] for a card where this build has no CUDA, [`Error::NoCard`] where the driver does not open it.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !has_cuda() => Err(Error::NotBuilt { choice: self }),
            Self::Cuda(card) => Device::new_cuda_with_stream(card).map_err(|error| {
                // Below the first line candle has a backtrace, where RUST_BACKTRACE is set.
                let why = error.to_string().lines().next().unwrap_or_default().into();
                Error::NoCard { card, why }
            }),
            Self::Auto => Ok(Self::Cuda(0).open().unwrap_or(Device::Cpu)),
        }
    }
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::NoDevice { text: text.into() };
        match text.trim() {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "auto" => Ok(Self::Auto),
            other => {
                let number = other.strip_prefix("cuda:").ok_or_else(unknown)?;
                // "+1" is a number for Rust.
                if !number.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(unknown());
                }
                number.parse().map(Self::Cuda).map_err(|_| unknown())
            }
        }
    }
}

impl TryFrom<String> for Choice {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Choice> for String {
    fn from(choice: Choice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(card) => write!(f, "cuda:{card}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for choice in [Choice::Cpu, Choice::Cuda(0), Choice::Cuda(7), Choice::Auto] {
            assert_eq!(choice.to_string().parse::<Choice>().unwrap(), choice);
            let json = serde_json::to_string(&choice).unwrap();
            assert_eq!(json, format!("\"{choice}\""));
            assert_eq!(serde_json::from_str::<Choice>(&json).unwrap(), choice);
        }
        assert_eq!("cuda:0".parse::<Choice>().unwrap(), Choice::Cuda(0));
    }

    #[test]
    fn what_is_no_device_is_refused_with_all_that_there_are() {
        for text in [
            "", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "cuda0",
        ] {
            let error = text.parse::<Choice>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{text}`")) && error.contains("cuda:N"),
                "{error}"
            );
        }
        let wrong = serde_json::from_str::<Choice>("\"gpu\"").unwrap_err();
        assert!(wrong.to_string().contains("auto"), "{wrong}");
    }

    #[test]
    fn a_build_without_cuda_says_so() {
        let error = Choice::Cuda(3).open().unwrap_err().to_string();
        let expected = if has_cuda() {
            "nvidia-smi"
        } else {
            "docs/GPU.md"
        };
        assert!(error.contains(expected), "{error}");
    }
}
