//! Running something several times, and the seconds of each time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::case::Length;
use super::memory::peak_mib;
use crate::error::{Error, Result};

/// What the runs of a case took.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Timing {
    /// Of each timed run, in order.
    pub seconds: Vec<f64>,
    /// Peak resident memory of the process up to the last run, MiB, where the system tells it.
    pub peak_mib: Option<f64>,
}

/// Moments between runs: one before each, and one after the last.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<Instant>);

impl Marks {
    /// Now a run ends, and the next begins.
    pub fn mark(&mut self) {
        self.0.push(Instant::now());
    }

    /// The timing so far, without the runs of the warm-up. To be called right after the last run.
    pub fn timing(&self, warmup: usize) -> Timing {
        let pairs = self.0.windows(2).skip(warmup);
        Timing {
            seconds: pairs
                .map(|pair| (pair[1] - pair[0]).as_secs_f64())
                .collect(),
            peak_mib: peak_mib(),
        }
    }
}

/// Runs `run` as often as `length` says.
///
/// # Errors
/// The first error of a run; or [`Error::Interrupted`].
pub(super) fn repeat(
    length: Length,
    interrupt: &AtomicBool,
    mut run: impl FnMut() -> Result<()>,
) -> Result<Timing> {
    let mut marks = Marks::default();
    marks.mark();
    for _ in 0..length.warmup + length.runs {
        if interrupt.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        run()?;
        marks.mark();
    }
    Ok(marks.timing(length.warmup))
}
