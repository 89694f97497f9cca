//! What runs are worth: accuracy, spectra of models, statistics, figures and
//! the HTML report.
//!
//! The parts stand by themselves and meet in a report:
//!
//! - [`accuracy`]: top-1, top-5 and cross-entropy, batch by batch.
//! - [`spectra`]: channel spectra and intensities of a model's layers, and the
//!   distance of a student's layers from its teacher's.
//! - [`compare`]: every layer of one model against every layer of another.
//! - [`pairs`]: which layer of a student learns from which layer of its teacher.
//! - [`statistics`]: intervals of paired differences, and verdicts against an
//!   effect size that was fixed beforehand.
//! - [`figure`]: charts as SVG, each with its data as CSV.
//! - [`report`]: one HTML page that needs nothing but itself.
//! - [`csv`] and [`format`](mod@format): tables as files, numbers as people read
//!   them.
//!
//! Nothing here knows a concrete model or data set: logits and features come as
//! tensors. Everything is deterministic: the same numbers give the same bytes.
//!
//! ```
//! use spectralkd_evaluation::figure::{Axis, IntervalPlot};
//! use spectralkd_evaluation::report::{Report, Section};
//! use spectralkd_evaluation::statistics::Judgement;
//!
//! // Top-1 accuracy in percent of two variants, paired by seed.
//! let judged = Judgement::paired(&[82.3, 82.5, 82.6], &[81.2, 81.3, 81.2], 0.5, 0.95)?;
//! let words = judged.sentence("logits + spectral", "logits only", "percentage points");
//! assert!(words.starts_with("Supported: logits + spectral differs from logits only by +1.23"));
//!
//! let figure = IntervalPlot::new("differences", "Differences to logits only")
//!     .x(Axis::new("difference in top-1").unit("percentage points"))
//!     .row("logits + spectral", judged.clone())
//!     .draw()?;
//! let page = Report::new("Does the spectral loss help?")
//!     .verdict("It adds at least half a point.", judged.verdict(), words)
//!     .section(Section::new("Results").figures([figure]))
//!     .to_html()?;
//! assert!(page.contains("<svg"));
//! # Ok::<(), spectralkd_evaluation::Error>(())
//! ```
#![deny(missing_docs)]

pub mod accuracy;
pub mod compare;
pub mod csv;
pub mod error;
pub mod figure;
pub mod format;
pub mod pairs;
pub mod report;
pub mod spectra;
pub mod statistics;

pub use error::{Error, FigureProblem, Result};
