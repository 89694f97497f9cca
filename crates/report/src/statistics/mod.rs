//! Means, spreads, Student-t intervals and verdicts.
//!
//! A run with a handful of seeds can say little, and this module is there so
//! that it says exactly that much: differences are *paired* by seed, the
//! interval is Student's, and a claim is judged only against an effect size
//! that was fixed before the run ([`Verdict`]).
//!
//! ```
//! use spectralkd_report::statistics::{Judgement, Verdict};
//!
//! // Top-1 accuracy in percent, three seeds, the same seeds on both sides.
//! let spectral = [82.1, 81.9, 82.0];
//! let logits_only = [81.2, 81.3, 81.2];
//! let judged = Judgement::paired(&spectral, &logits_only, 0.5, 0.95)?;
//! assert_eq!(judged.verdict(), Verdict::Undecided); // 0.77, but 0.39 to 1.15
//! # Ok::<(), spectralkd_report::Error>(())
//! ```

mod interval;
mod student_t;
#[cfg(test)]
mod student_t_values;
mod summary;
mod verdict;

pub use interval::{Interval, t_interval};
pub use student_t::quantile as student_t_quantile;
pub use summary::{Summary, mean, standard_deviation};
pub use verdict::{Judgement, Verdict};
