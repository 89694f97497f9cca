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
