//! What this machine offers and what stands in the way: everything behind `cargo xtask doctor`.
//!
//! - [`examine()`]: facts about the machine, as [`Finding`]s;
//! - [`check()`]: whether a device computes what f64 on the CPU computes, as [`Compared`] cases.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use spectralkd_doctor::{State, check, examine};
//! use spectralkd_runtime::Runtime;
//!
//! for finding in examine(Path::new("runs")) {
//!     if finding.state == State::Bad {
//!         panic!("{}: {}", finding.topic, finding.text);
//!     }
//! }
//! let all = check(&Runtime::cpu(), &mut |compared| assert!(compared.passed(), "{compared}"));
//! assert!(all.iter().any(|compared| compared.case.contains("Attention")));
//! ```
#![deny(missing_docs)]

mod check;
mod error;
mod examine;

pub use check::{Compared, LIMIT, Outcome, check, verdict};
pub use error::{Error, Result};
pub use examine::{Finding, State, examine};
