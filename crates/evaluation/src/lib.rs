//! Measures of models: how right they are, what their layers hold, how alike two of them are.
//!
//! - [`accuracy`]: top-1, top-5 and cross-entropy, batch by batch.
//! - [`spectra`]: channel spectra and intensities of a model's layers, and the
//!   distance of a student's layers from its teacher's.
//! - [`compare`]: every layer of one model against every layer of another.
//! - [`pairs`]: which layer of a student learns from which layer of its teacher.
//!
//! Nothing here knows a concrete model or data set: logits and features come as
//! tensors. Everything is deterministic: the same numbers give the same bits.
//! What is found goes into tables and figures of `spectralkd-report`.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use spectralkd_evaluation::accuracy::Accuracy;
//!
//! let mut accuracy = Accuracy::new();
//! // Logits [B, K] and labels [B] of each batch.
//! let logits = Tensor::new(&[[2f32, 1.0, 0.0], [0.0, 1.0, 2.0]], &Device::Cpu)?;
//! accuracy.push(&logits, &Tensor::new(&[0u32, 1], &Device::Cpu)?)?;
//! assert_eq!(accuracy.top1()?, 0.5);
//! # Ok::<(), spectralkd_evaluation::Error>(())
//! ```
#![deny(missing_docs)]

pub mod accuracy;
pub mod compare;
pub mod error;
pub mod pairs;
pub mod spectra;

pub use error::{Error, Result};
