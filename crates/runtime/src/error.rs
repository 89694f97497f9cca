//! What can go wrong, in one type.

use crate::choice::Choice;
use crate::precision::Precision;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a computation cannot run where it is asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that no device has.
    #[error("`{text}` is no device; there are cpu, cuda (the first card), cuda:N and auto")]
    NoDevice {
        /// The name.
        text: String,
    },
    /// A name that no precision has.
    #[error("`{text}` is none of {}", Precision::ALL.map(Precision::name).join(", "))]
    NoPrecision {
        /// The name.
        text: String,
    },
    /// A card, for a program without CUDA.
    #[error(
        "{choice} is a card, and this program is built for the CPU alone: docs/GPU.md says how to build it with CUDA"
    )]
    NotBuilt {
        /// The device.
        choice: Choice,
    },
    /// A card that the driver does not open.
    #[error(
        "card {card} cannot be opened ({why}); `nvidia-smi` lists the cards that the driver sees"
    )]
    NoCard {
        /// Its number.
        card: usize,
        /// The driver's reason.
        why: String,
    },
    /// A precision that a CPU does not have.
    #[error("{precision} is for cards: the CPU computes in f32")]
    CardOnly {
        /// The precision.
        precision: Precision,
    },
}
