//! Running something several times, and the seconds of each time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use candle_core::Device;

use crate::case::Length;
use crate::error::{Error, Result};
use crate::memory::peak_mib;

/// What the runs of a case took.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Timing {
    /// Of each timed run, in order.
    pub seconds: Vec<f64>,
    /// Peak resident memory of the process up to the last run, MiB, where the system tells it.
    pub peak_mib: Option<f64>,
}

/// Moments between runs: one before each, and one after the last.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<Instant>);

impl Marks {
    /// Now a run ends, and the next begins: when the device has done all that it was given.
    pub fn mark(&mut self, device: &Device) -> candle_core::Result<()> {
        device.synchronize()?;
        self.0.push(Instant::now());
        Ok(())
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
pub(crate) fn repeat(
    length: Length,
    device: &Device,
    interrupt: &AtomicBool,
    mut run: impl FnMut() -> Result<()>,
) -> Result<Timing> {
    let mut marks = Marks::default();
    marks.mark(device)?;
    for _ in 0..length.all() {
        if interrupt.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        run()?;
        marks.mark(device)?;
    }
    Ok(marks.timing(length.warmup))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_runs_do_not_count() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let marks = Marks(vec![at(0), at(5), at(6), at(8)]);
        assert_eq!(marks.timing(1).seconds, [1.0, 2.0]);
        assert_eq!(marks.timing(0).seconds, [5.0, 1.0, 2.0]);
    }

    #[test]
    fn everything_runs_as_often_as_asked() {
        let go = AtomicBool::new(false);
        let mut calls = 0;
        let length = Length { warmup: 3, runs: 4 };
        let timing = repeat(length, &Device::Cpu, &go, || {
            calls += 1;
            Ok(())
        });
        assert_eq!((calls, timing.unwrap().seconds.len()), (7, 4));
    }

    #[test]
    fn an_error_or_a_stop_ends_it() {
        let (go, length) = (AtomicBool::new(false), Length { warmup: 0, runs: 9 });
        let mut calls = 0;
        let failed = repeat(length, &Device::Cpu, &go, || {
            calls += 1;
            Err(Error::NoGradient)
        });
        assert!(matches!(failed, Err(Error::NoGradient)) && calls == 1);
        let stopped = repeat(length, &Device::Cpu, &go, || {
            go.store(true, Ordering::Relaxed);
            calls += 1;
            Ok(())
        });
        assert!(matches!(stopped, Err(Error::Interrupted)) && calls == 2);
    }
}
