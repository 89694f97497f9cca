//! How fast this machine trains and runs the models: everything behind `cargo xtask speed`.
//!
//! - [`Case`]: what is timed, of which models; [`Length`]: how often;
//! - [`measure`]: the runs, then the machine's ceiling, as one [`Record`];
//! - [`Summary`]: median and quartiles; [`Ceiling`]: what the machine could do at best;
//! - [`table()`]: records for people.
//!
//! Training steps are those of [`spectralkd_trainer::Trainer`], timed from one batch to the next, so that forward and
//! backward pass, optimiser and event log are all in them. Weights and images are drawn from a fixed seed: the time of
//! a product does not depend on its numbers, and nothing is downloaded.
//!
//! Threads are those of the rayon pool that [`measure`] is called in; call it from one of its workers
//! (`ThreadPool::install`). Peak memory is that of the whole process up to the last run: measure one case per process.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use spectralkd_runtime::Runtime;
//! use spectralkd_speed::{Case, Length, Form, measure};
//!
//! let case = Case::Loss { shape: [2, 3, 4, 5], form: Form::Parseval };
//! let length = Length { warmup: 0, runs: 3 };
//! let record = measure(&case, length, &Runtime::cpu(), "0.1.0", &AtomicBool::new(false))?;
//! assert_eq!(record.seconds.len(), 3);
//! # Ok::<(), spectralkd_speed::Error>(())
//! ```
#![deny(missing_docs)]

use std::sync::atomic::AtomicBool;

use spectralkd_runtime::{self as runtime, Runtime};

pub mod error;

mod case;
mod ceiling;
mod drawn;
mod forward;
mod memory;
mod pairs;
mod record;
mod runs;
mod summary;
mod table;
mod timed_task;
mod training;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tiny;

pub use case::{Case, Form, Length, Named, Precision};
pub use ceiling::Ceiling;
pub use error::{Error, Result};
pub use record::Record;
pub use summary::Summary;
pub use table::{line, table};

/// Times a case on the runtime's device (a CPU: on the current rayon pool), and then the ceiling of the same. A run ends
/// when the device has done all that it was given.
///
/// `version` is kept in the record; `interrupt`, once true, ends the measurement before its next run.
///
/// # Errors
/// [`Error::Precision`] for bf16; those of [`Case::check`] for a case that makes no sense, [`Error::Interrupted`], or whatever a model, a loss or the
/// trainer says.
pub fn measure(
    case: &Case,
    length: Length,
    runtime: &Runtime,
    version: &str,
    interrupt: &AtomicBool,
) -> Result<Record> {
    case.check(length)?;
    if runtime.precision == runtime::Precision::Bf16 {
        let precision = runtime.precision;
        return Err(Error::Precision { precision });
    }
    let device = &runtime.device;
    let timing = match case {
        Case::Step {
            student,
            teacher,
            batch,
            precision,
        } => {
            let pair = (student, teacher);
            training::step(pair, *precision, *batch, length, device, interrupt)?
        }
        Case::Train { student, batch } => {
            training::train(student, *batch, length, device, interrupt)?
        }
        Case::Infer { student, batch } => {
            forward::infer(student, *batch, length, device, interrupt)?
        }
        Case::Loss { shape, form } => forward::loss(*shape, *form, length, device, interrupt)?,
    };
    let ceiling = Ceiling::of(device)?;
    Record::new(case, length, timing, ceiling, (runtime, version))
}
