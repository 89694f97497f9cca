//! The ground floor of SpectralKD: what every other crate may use, and nothing else.
//!
//! - [`random`]: random streams that are pure functions of a key and a position
//!   (Philox4x32-10), so that a draw depends on *what* it is for and never on when,
//!   or on which thread, it is made;
//! - [`progress`]: the trait through which libraries say how far they are, without
//!   knowing whether anybody watches;
//! - [`files`]: atomic file writes, after which a reader sees the old file or the
//!   new one and never a part of either; [`folders`] of results, held and moved
//!   aside; [`digest`]: SHA-256 of both;
//! - [`provenance`] and [`machine`](mod@machine): by what, when and on what a result
//!   was made, for its record;
//! - [`inner_error`]: error messages that carry the path inside a value to which they
//!   belong; [`nearest()`]: "did you mean …?".
//!
//! ```
//! use spectralkd_base::random::Stream;
//!
//! // One stream per purpose; children by name (a parameter) or number (an epoch, a sample).
//! let init = Stream::new(7, "init");
//! let mut weights = init.named("blocks.0.attn.qkv.weight");
//! let first = weights.normal();
//!
//! // The same key gives the same draws, whatever else has been drawn meanwhile.
//! let mut again = Stream::new(7, "init").named("blocks.0.attn.qkv.weight");
//! assert_eq!(first, again.normal());
//! ```

pub mod digest;
pub mod files;
pub mod folders;
pub mod inner_error;
pub mod machine;
pub mod progress;
pub mod provenance;
pub mod random;

mod error;
mod nearest;
mod philox;

pub use error::{FileError, Result};
pub use nearest::{closest, nearest};
