//! From a TOML file to runs, verdicts and a report: everything behind `cargo xtask reproduce`,
//! for others to embed.
//!
//! - [`config`]: the file, its profiles and overrides, checked;
//! - [`plan`]: what it will cost; [`data`]: the images;
//! - [`teacher`]: the frozen teacher's weights; [`teaching`]: what students have of it;
//! - [`needs`]: what losses ask of it;
//! - [`layer_pairs`]: which layers are aligned, where a strategy chooses;
//! - [`first_weights`]: what students start from;
//! - [`tasks`]: one run as the trainer sees it; [`measure`]: what is measured of it; [`floor`]: the linear classifier;
//! - [`runs`]: all runs, side by side; [`scoring`]: accuracy; [`analysis`]: spectra on a fixed batch;
//! - [`single_step`]: one step on given weights and images, every number of it;
//! - [`results`]: the table and its verdicts; [`report`]: figures and the page;
//! - [`folder`], [`manifest`], [`export`]: what stays on the disk;
//! - [`reproduce`](mod@reproduce): all of the above in order.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::atomic::AtomicBool;
//!
//! use spectralkd_base::progress::Silent;
//! use spectralkd_experiment::config;
//! use spectralkd_experiment::reproduce::{Options, reproduce};
//! use spectralkd_runtime::Runtime;
//!
//! let experiment = config::load(Path::new("experiments/headline.toml"), Some("smoke"), &[])?;
//! let options = Options {
//!     out: "runs/headline/smoke".into(),
//!     runs: "runs".into(),
//!     data: None,
//!     threads: 2,
//!     jobs: None,
//!     fresh: false,
//!     train_teacher: false,
//!     runtime: Runtime::cpu(),
//!     provenance: Default::default(),
//! };
//! let summary = reproduce(&experiment, &options, &Silent, &AtomicBool::new(false))?;
//! assert_eq!(summary.table.rows.len(), experiment.variants.len());
//! # Ok::<(), spectralkd_experiment::error::Error>(())
//! ```

pub mod analysis;
pub mod config;
pub mod data;
pub mod error;
pub mod export;
pub mod first_weights;
pub mod floor;
pub mod folder;
pub mod layer_pairs;
pub mod manifest;
pub mod measure;
pub mod needs;
pub mod plan;
mod record;
pub mod report;
pub mod reproduce;
pub mod results;
pub mod runs;
pub mod scoring;
pub mod single_step;
pub mod tasks;
pub mod teacher;
pub mod teaching;
