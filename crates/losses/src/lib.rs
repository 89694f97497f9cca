//! Losses that a student is distilled with: classification, its teacher's logits, and its teacher's
//! features.
//!
//! [`FeatureLoss`] compares pairs of feature maps: the spectral loss of SpectralKD (arXiv
//! 2412.19055) in two forms that agree to rounding, and plain mean squared error as its control,
//! with [`spectral_to_mse_ratio`] to weigh the two alike. [`cross_entropy`], [`soft_distillation`]
//! and [`hard_distillation`] work on logits, as PyTorch's functions do. [`DistillationLoss`] adds
//! them up to `(1 - alpha) * CE + alpha * KD + beta * w * L` and reports the parts one by one.
//! Teachers are constants: every loss detaches them.
//!
//! All losses are scalar tensors, computed in f32 (f64 for f64 students), on any device; on the CPU
//! results are the same to the bit for any number of threads.
//!
//! ```
//! use candle_core::{DType, Device, Tensor, Var};
//! use spectralkd_losses::{DistillationLoss, FeatureLoss, Logits, SpectralForm};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cpu = &Device::Cpu;
//! let loss = DistillationLoss {
//!     logits: Logits::Soft,
//!     alpha: 0.9,
//!     tau: 1.0,
//!     smoothing: 0.1,
//!     beta: 1.0,
//!     feature: Some((FeatureLoss::Spectral(SpectralForm::Fft), 0.2)),
//! };
//! let logits = Var::new(&[[2f32, 0., -1.], [0.5, 0.5, 0.]], cpu)?;
//! let teacher_logits = Tensor::new(&[[3f32, 1., -2.], [0., 2., 0.]], cpu)?;
//! let targets = Tensor::new(&[0u32, 1], cpu)?;
//!
//! // Features [B, C, H, W]: the teacher's eight channels are averaged into the student's four.
//! let student = Var::ones((2, 4, 7, 7), DType::F32, cpu)?;
//! let teacher = Tensor::zeros((2, 8, 7, 7), DType::F32, cpu)?;
//! let pairs = [(student.as_tensor().clone(), teacher)];
//!
//! let loss = loss.forward(&logits, &targets, Some(&teacher_logits), &pairs)?;
//! let names: Vec<_> = loss.parts.iter().map(|(name, _)| *name).collect();
//! assert_eq!(names, ["ce", "kd", "feature"]);
//!
//! // An error of 1 everywhere: the mean square is 1, the spectral loss 7/8 of that at width 7.
//! assert!((loss.parts[2].1.to_scalar::<f32>()? - 0.875).abs() < 1e-6);
//!
//! let gradients = loss.total.backward()?;
//! assert!(gradients.get(&logits).is_some() && gradients.get(&student).is_some());
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

mod classification;
mod distillation;
mod error;
mod feature;
mod logits;
mod squared_error;

pub use classification::cross_entropy;
pub use distillation::{DistillationLoss, Logits, LossParts};
pub use error::{Error, Result};
pub use feature::{FeatureLoss, SpectralForm, spectral_to_mse_ratio};
pub use logits::{hard_distillation, soft_distillation};
