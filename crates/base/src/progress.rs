//! How a library says how far it is.
//!
//! A library takes a `&dyn Progress`, opens a [`Stage`] for each piece of work whose
//! size it knows, advances it, and drops it when done. What becomes of that (a bar, a
//! line in a log, nothing) is the caller's business.
//!
//! ```
//! use spectralkd_base::progress::{Progress, Silent};
//!
//! fn total(numbers: &[u64], progress: &dyn Progress) -> u64 {
//!     let mut stage = progress.stage("adding", numbers.len() as u64, "numbers");
//!     let mut sum = 0;
//!     for n in numbers {
//!         sum += n;
//!         stage.advance(1);
//!         stage.message(&format!("sum {sum}"));
//!     }
//!     sum
//! }
//!
//! assert_eq!(total(&[1, 2, 3], &Silent), 6);
//! ```

/// Somebody, or nobody, who watches the work.
pub trait Progress: Send + Sync {
    /// Opens a stage of `total` units ("images", "steps"); 0 where the total is unknown.
    /// The stage ends when the returned value is dropped.
    fn stage(&self, name: &str, total: u64, unit: &'static str) -> Box<dyn Stage>;

    /// Says something worth a line of its own, outside any stage.
    fn note(&self, text: &str);
}

/// A piece of work under way; dropping it ends it.
pub trait Stage: Send {
    /// `by` more units are done.
    fn advance(&mut self, by: u64);

    /// `by` units were done before this stage began, by an earlier call: they count as done and
    /// not towards the rate. Without an implementation of its own, as [`Stage::advance`].
    fn skip(&mut self, by: u64) {
        self.advance(by);
    }

    /// What to show beside the stage from now on (a loss, a file name).
    fn message(&mut self, text: &str);
}

/// The progress that nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _name: &str, _total: u64, _unit: &'static str) -> Box<dyn Stage> {
        Box::new(Silent)
    }

    fn note(&self, _text: &str) {}
}

impl Stage for Silent {
    fn advance(&mut self, _by: u64) {}

    fn message(&mut self, _text: &str) {}
}
