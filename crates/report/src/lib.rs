//! What a result looks like on paper: statistics, figures, tables and pages.
//!
//! - [`statistics`]: intervals of paired differences, and verdicts against an
//!   effect size that was fixed beforehand.
//! - [`figure`]: charts as SVG, each with its data as CSV.
//! - [`page`]: one HTML page that needs nothing but itself.
//! - [`csv`] and [`format`](mod@format): tables as texts, numbers as people read
//!   them.
//!
//! It sees numbers and gives texts: no tensor, no model, no file. The same
//! numbers give the same bytes.
//!
//! ```
//! use spectralkd_report::figure::{Axis, IntervalPlot};
//! use spectralkd_report::page::{Report, Section};
//! use spectralkd_report::statistics::Judgement;
//!
//! // Top-1 accuracy in percent of two variants, paired by seed.
//! let judged = Judgement::paired(&[82.3, 82.5, 82.6], &[81.2, 81.3, 81.2], 0.5, 0.95)?;
//! let words = judged.sentence("logits + spectral", "logits only", "percentage points");
//! assert!(words.starts_with("Supported: logits + spectral differs from logits only by +1.23"));
//!
//! let figure = IntervalPlot::new("differences", "Differences to logits only")
//!     .x(Axis::new("difference in top-1").unit("percentage points"))
//!     .row("logits + spectral", judged.clone(), 0)
//!     .draw()?;
//! let page = Report::new("Does the spectral loss help?")
//!     .verdict("It adds at least half a point.", judged.verdict(), words)
//!     .section(Section::new("Results").figures([figure]))
//!     .to_html()?;
//! assert!(page.contains("<svg"));
//! # Ok::<(), spectralkd_report::Error>(())
//! ```
#![deny(missing_docs)]

pub mod csv;
pub mod error;
pub mod figure;
pub mod format;
pub mod page;
pub mod statistics;

pub use error::{Error, FigureProblem, Result};
