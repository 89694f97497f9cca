//! One HTML page that holds a whole run: verdicts first, then tables, figures
//! with their data, and the configuration.
//!
//! The page needs nothing but itself: no network, no scripts; its content
//! security policy forbids both. It follows the reader's light or dark
//! setting, fits a phone (tables scroll within themselves) and prints. All
//! text is escaped; `` `code` `` in backticks is set as code.
//!
//! ```
//! use spectralkd_report::page::{Cell, Column, Report, Section, Table};
//!
//! let table = Table::new("Accuracy on the test images")
//!     .columns([Column::text("variant"), Column::number("top-1").unit("%")])
//!     .row([Cell::text("logits only"), Cell::number(81.53, 2)]);
//! let page = Report::new("Headline experiment")
//!     .section(Section::new("Results").table(table))
//!     .to_html()?;
//! assert!(page.starts_with("<!DOCTYPE html>"));
//! # Ok::<(), spectralkd_report::Error>(())
//! ```

mod html;
mod report;
mod section;
mod table;

pub use report::Report;
pub use section::Section;
pub use table::{Cell, Column, Table};
