//! The training step, from a batch of views to the scalar that is minimised: the spine of everything that trains a
//! student or times its training.
//!
//! ```text
//! Feed      which views, in which order, from which cursor
//! Student   a model, its parameters, and how a view becomes its input
//! Teacher   what is taught: a frozen model on the same views, or its outputs kept in memory; the same numbers
//! losses    what is wanted: objectives, which say what they read of both
//! ```
//!
//! - [`Distillation`]: the trainer's task made of these four; without a teacher, plain training;
//! - [`Student`]; [`Feed`];
//! - [`Teacher`], implemented by [`FrozenTeacher`] (online) and [`CachedTeacher`]; [`Placement`] says which of the two a
//!   plan should take; [`Columns`] brings a teacher's classes to those of the data set;
//! - [`outputs`], [`objective_terms`]: the two functions of a step, for a loop of one's own.
//!
//! Teacher and student may differ in size and normalisation of their images: each renders the batch for itself. What is
//! drawn (drop path, random tokens of a loss) is keyed by the step and the view, so that a step is a function of its
//! cursor, and two views of one image in a batch differ.
//!
//! A training loop of one's own, on images in memory:
//!
//! ```
//! use std::collections::BTreeSet;
//! use std::sync::Arc;
//!
//! use candle_core::{DType, Device};
//! use spectralkd_base::random::Stream;
//! use spectralkd_datasets::{Geometry, ImageSet, Loader, Normalise, Pipeline, Render, Sampler};
//! use spectralkd_distillation::{Columns, FrozenTeacher, Precision, Student, Targets, Teacher, objective_terms};
//! use spectralkd_losses::kinds::{CrossEntropy, Kl, Spectral};
//! use spectralkd_losses::{Loss, Pairs};
//! use spectralkd_models::{DeitConfig, ModelConfig};
//! use spectralkd_nn::Params;
//! use spectralkd_trainer::{AdamW, Hyper, Step, backward, decays};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sizes = |embed_dim, depth| ModelConfig::Deit(DeitConfig {
//!     img_size: [8, 8], patch_size: 4, in_chans: 1, num_classes: 2, embed_dim, depth, num_heads: 2,
//!     mlp_ratio: 4.0, drop_path: 0.0, distilled: false,
//! });
//! let classes = vec!["dark".to_owned(), "light".to_owned()];
//! let images = ImageSet::new([1, 8, 8], (0..8 * 64).map(|i| i as u8).collect(), vec![0, 1, 0, 1, 0, 1, 0, 1], classes)?;
//! let render = Render::new([8, 8], 1, Normalise { mean: vec![0.5], std: vec![0.5] })?;
//!
//! // A teacher of twice the width, on weights that stay.
//! let weights = Params::new();
//! sizes(16, 3).build(weights.builder(&Stream::new(1, "teacher"), DType::F32, &Device::Cpu))?;
//! let teacher = FrozenTeacher::new(&sizes(16, 3), weights.tensors(), Precision::F32, render.clone(), Columns::Same)?;
//!
//! let student = Student::new(&sizes(8, 2), None, render, 7)?;
//! let spectral = Spectral { pairs: Pairs::Listed(vec![(1, 2)]), ..Spectral::default() };
//! let losses = [
//!     Loss::new(CrossEntropy::default(), 0.1),
//!     Loss::new(Kl::default(), 0.9),
//!     Loss::new(spectral, 0.2),
//! ];
//! let objectives = student.objectives(&losses, Some(teacher.shapes()), &|_| Ok(1.0))?;
//!
//! let listed: BTreeSet<String> = student.model.info().no_weight_decay.clone();
//! let hyper = Hyper { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.05 };
//! let vars = student.trainable();
//! let mut optimiser = AdamW::new(&vars, hyper, |name, rank| decays(name, rank, &listed))?;
//! let pipeline = Pipeline { flip: 0.5, ..Pipeline::new([8, 8], 1, Geometry::AsIs) };
//! let loader = Loader::new(Arc::new(images), Arc::new(pipeline), 1, 2)?;
//! let mut totals = Vec::new();
//! for batch in loader.stream(Sampler::shuffled(8, 4, 7, 0, 1)?.from(0, 0)).take(6) {
//!     let batch = batch?;
//!     let step = Step { epoch: batch.epoch, step_in_epoch: batch.number, global: totals.len() as u64 };
//!     let taught = teacher.outputs(&batch, &objectives.needs_at(step.epoch).teacher)?;
//!     let labels = batch.labels_tensor(&Device::Cpu)?;
//!     let targets = Targets { labels: labels.as_ref(), soft: None, keys: &batch.draw_keys() };
//!     let pixels = student.render.render(&batch, &Device::Cpu)?;
//!     let parts = objective_terms(&student, &pixels, &taught, targets, &objectives, (7, step))?;
//!     let (gradients, _) = backward(&parts.total, &vars)?;
//!     optimiser.step(&gradients, 1e-2, 1.0)?;
//!     totals.push(parts.total.to_scalar::<f32>()?);
//! }
//! assert!(totals[5] < totals[0]);
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

mod error;
mod feed;
mod outputs;
mod shapes;
mod step;
mod student;
mod task;
mod teacher;

pub use error::{Error, Result};
pub use feed::Feed;
pub use outputs::outputs;
pub use shapes::shapes;
pub use step::{Targets, objective_terms};
pub use student::{LOSS_PARAMETERS, Student};
pub use task::{Distillation, Measure};
pub use teacher::{CachedTeacher, Columns, FrozenTeacher, Placement, Precision, Teacher};
