//! Trains a [`Task`]: something that can give a batch, the loss of a batch, and a measurement.
//!
//! The crate knows no model, no data set and no loss. It has one loop ([`train()`], in
//! `train.rs`), and around it what a run of hours needs: AdamW as PyTorch computes it, with
//! timm's rule for weight decay; warm-up and cosine as timm computes them; a moving average of
//! the weights; checkpoints from which a killed run goes on to the same bits; a log of events; an
//! audit of the gradients before the first update; and a stop, with the state saved, when a loss
//! or gradient is no longer finite.
//!
//! - [`Task`], [`Parts`], [`Cursor`], [`Step`]: what is trained;
//! - [`TrainConfig`], [`Schedule`], [`Cadence`]: how, and at which rate;
//! - [`train()`], [`Trainer`], [`Outcome`]: the loop and what comes of it;
//! - [`AdamW`], [`Ema`]: the updates, usable by themselves;
//! - [`backward`], [`norm`], [`clip_factor`], [`squares`], [`Guard`]: the parts of a step between the loss and the update,
//!   for a loop of one's own;
//! - [`Group`], [`ranks`]: several ranks that train as one; [`GradientSync`]: what else happens to gradients;
//! - [`Reads`]: how often the host waits for the device;
//! - [`events`]: the log, and how to read it; [`checkpoint`]: the files a run is continued from;
//! - [`audit`]: what the gradient audit looks at.
//!
//! No step waits for the host: the loss, the norms, the factor of clipping and whether all are finite stay on the device,
//! where a step that is not finite changes nothing and keeps those after it from changing anything. They are read together
//! every [`TrainConfig::log_every_steps`] steps, before every checkpoint and at the end of an epoch; on a CPU, where that
//! waits for nothing, after every step.
//!
//! A run owns its folder: `events.jsonl` (locked while it runs) and `checkpoints/`. Random draws
//! are the task's business, and come from streams keyed by the place in the run, so there is no
//! generator to save.
//!
//! A whole task, linear regression on eight points:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::collections::BTreeMap;
//!
//! use candle_core::{Device, Tensor, Var};
//! use spectralkd_base::progress::Silent;
//! use spectralkd_trainer::{Cursor, Metrics, Parts, Step, Task, TaskError, TrainConfig, train};
//!
//! struct Line {
//!     vars: BTreeMap<String, Var>,
//! }
//!
//! impl Task for Line {
//!     type Batch = (Tensor, Tensor); // x and y = 3x - 1, both [4]
//!
//!     fn steps_per_epoch(&self) -> u64 { 2 }
//!     fn start(&self) -> Cursor { Cursor(0.into()) }
//!
//!     fn next(&mut self, cursor: &Cursor) -> Result<(Self::Batch, Cursor), TaskError> {
//!         let half = cursor.0.as_u64().ok_or("a cursor of another task")?;
//!         let x = Tensor::new(&[-1f32, -0.5, 0.25, 0.75], &Device::Cpu)?.affine(1.0, half as f64)?;
//!         Ok(((x.clone(), x.affine(3.0, -1.0)?), Cursor((1 - half).into())))
//!     }
//!
//!     fn loss(&mut self, (x, y): &Self::Batch, _: Step) -> Result<Parts, TaskError> {
//!         let line = x.broadcast_mul(&self.vars["slope"])?.broadcast_add(&self.vars["offset"])?;
//!         let total = (line - y)?.sqr()?.mean_all()?;
//!         Ok(Parts { parts: vec![("mse".into(), total.clone())], total, samples: 4 })
//!     }
//!
//!     fn trainable(&self) -> &BTreeMap<String, Var> { &self.vars }
//!
//!     fn evaluate(&mut self, _epoch: u64) -> Result<Metrics, TaskError> {
//!         let slope = f64::from(self.vars["slope"].to_vec1::<f32>()?[0]);
//!         Ok(Metrics::from([("error".into(), (slope - 3.0).abs())]))
//!     }
//! }
//!
//! let var = || Var::new(&[0f32], &Device::Cpu);
//! let vars = BTreeMap::from([("slope".to_string(), var()?), ("offset".to_string(), var()?)]);
//! let config = TrainConfig { epochs: 60, lr: 0.3, warmup_epochs: 2, ..TrainConfig::default() };
//!
//! let folder = tempfile::tempdir()?;
//! let outcome = train(&mut Line { vars }, &config, folder.path(), &Silent)?;
//! assert!(outcome.history[59].metrics["error"] < 0.01);
//! # Ok(()) }
//! ```

pub mod audit;
pub mod checkpoint;
pub mod events;

mod config;
mod ema;
mod error;
mod exchange;
mod gradients;
mod group;
mod guard;
mod identity;
mod kernels;
mod measured;
mod numbers;
mod optimiser;
mod outcome;
mod reads;
mod schedule;
mod session;
mod state;
mod task;
mod train;
mod unread;

pub use config::TrainConfig;
pub use ema::Ema;
pub use error::{Error, NonFinite, Result};
pub use gradients::{GradientSync, Gradients, Local, Norm, backward, clip_factor, norm, squares};
pub use group::{Alone, Group, Member, ranks};
pub use guard::Guard;
pub use optimiser::{AdamW, Hyper};
pub use outcome::{Outcome, Status};
pub use reads::Reads;
pub use schedule::{Cadence, Schedule};
pub use session::AVERAGE;
pub use task::{Cursor, Metrics, Parts, Step, Task, TaskError, decays};
pub use train::{Trainer, train};
