//! Losses that a student is distilled with: classification, its teacher's logits, its teacher's
//! features, and whatever else compares the two.
//!
//! A file names a list of losses, each a [`Loss`]: a `kind` with its keys, a name and a weight (a
//! number or a [`Schedule`] over epochs). [`Objectives::build`] builds the list against the [`Shapes`]
//! of student and teacher, with parameters where a loss has some (a projector of [`Width::Project`]).
//! What is built says what it [`Needs`] of both models, as data, and turns their [`Outputs`] into one
//! total and its named terms.
//!
//! Every kind is one file in [`kinds`], whose list says what each compares: a [`Kind`] (its keys) and
//! an [`Objective`] (its terms).
//!
//! The formulas are functions on tensors as well ([`spectral_loss`], [`soft_distillation`], …). Each
//! is a scalar tensor, computed in f32 (f64 for f64 students), on any device; on the CPU results are
//! the same to the bit for any number of threads. Teachers are constants: every loss detaches them.
//!
//! ```
//! use candle_core::{DType, Device, Tensor, Var};
//! use spectralkd_base::random::Stream;
//! use spectralkd_losses::{Head, Inputs, Loss, Objectives, Outputs, Reduction, Request, Shapes};
//! use spectralkd_nn::Params;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cpu = &Device::Cpu;
//! let losses: Vec<Loss> = serde_json::from_str(
//!     r#"[{ "kind": "kl", "weight": 0.9 }, { "kind": "spectral", "weight": 0.2, "pairs": [[0, 0]] }]"#,
//! )?;
//!
//! // A student of 4 channels and a teacher of 8: its maps are averaged down to 4.
//! let student = Shapes { classes: 3, heads: vec![Head::Mean], taps: vec![[4, 7, 7]], prefix: 1 };
//! let teacher = Shapes { taps: vec![[8, 7, 7]], ..student.clone() };
//! let params = Params::new();
//! let root = params.builder(&Stream::new(7, "init"), DType::F32, cpu);
//! let ratio = |_: &[_]| Ok(1.0); // asked by `mse` with `matched = true` only
//! let objectives = Objectives::build(&losses, &student, Some(&teacher), &root, &ratio)?;
//!
//! let pooled = Request::Map { tap: 0, reduction: Reduction::Channels(4) };
//! assert!(objectives.needs_at(0).teacher.contains(&pooled));
//!
//! // Both models' outputs on two images.
//! let (logits, map) = (Var::zeros((2, 3), DType::F32, cpu)?, Var::ones((2, 4, 7, 7), DType::F32, cpu)?);
//! let whole = Request::Map { tap: 0, reduction: Reduction::Whole };
//! let ours: Outputs = [
//!     (Request::Logits(Head::Mean), logits.as_tensor().clone()),
//!     (whole, map.as_tensor().clone()),
//! ].into_iter().collect();
//! let theirs: Outputs = [
//!     (Request::Logits(Head::Mean), Tensor::new(&[[3f32, 1., -2.], [0., 2., 0.]], cpu)?),
//!     (pooled, Tensor::zeros((2, 4, 7, 7), DType::F32, cpu)?),
//! ].into_iter().collect();
//! let draws = Stream::new(7, "losses").at(0 /* step */);
//! let inputs = Inputs { student: &ours, teacher: &theirs, labels: None, targets: None, draws: &draws };
//! let sum = objectives.forward(&inputs, 0 /* epoch */)?;
//!
//! // An error of 1 everywhere: the mean square is 1, the spectral loss 7/8 of that at width 7.
//! let (name, spectral) = &sum.terms[1];
//! assert_eq!(name, "spectral");
//! assert!((spectral.to_scalar::<f32>()? - 0.875).abs() < 1e-6);
//!
//! let gradients = sum.total.backward()?;
//! assert!(gradients.get(&logits).is_some() && gradients.get(&map).is_some());
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

pub mod kinds;

mod alignment;
mod error;
mod json;
mod kind;
mod logits;
mod loss;
mod maps;
mod objective;
mod objectives;
mod pairs;
mod recorder;
mod request;
mod schedule;
mod spec;
mod squared_error;
mod strategy;

pub use alignment::{Alignment, Grid, Pair, Width};
pub use error::{Error, Result};
pub use kind::{Context, Kind, Wrong};
pub use kinds::Spec;
pub use kinds::cross_entropy::{cross_entropy, soft_cross_entropy};
pub use kinds::hard::hard_distillation;
pub use kinds::kl::soft_distillation;
pub use kinds::mse::{mean_squared_error, spectral_to_mse_of_teacher, spectral_to_mse_ratio};
pub use kinds::spectral::{spectral_loss, spectral_loss_by_fft};
pub use logits::LogitPair;
pub use loss::Loss;
pub use objective::{Inputs, Objective, Shapes, Term};
pub use objectives::{Objectives, Sum, check_losses};
pub use pairs::Pairs;
pub use request::{Head, Needs, Outputs, Reduction, Request};
pub use schedule::Schedule;
pub use strategy::Strategy;
