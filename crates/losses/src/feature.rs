//! Losses between the feature maps of a student and its teacher.

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};
use spectralkd_spectral::{Norm, adaptive_avg_pool_channels, rfft2};

use crate::squared_error::{Weights, squared_error};
use crate::{Error, Result};

/// Two ways to compute the one spectral loss; they agree to rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpectralForm {
    /// The definition: transform both feature maps, compare the spectra.
    #[default]
    Fft,
    /// By Parseval's theorem, without a transform: `(E + E_dc + E_nyq) / (4 B C H (W/2 + 1))` with
    /// `E` the squared error in space and `E_dc`, `E_nyq` its parts at the frequencies 0 and W/2
    /// along the width (odd W has no W/2). One pass over the features.
    Parseval,
}

/// What is compared between the features of a student and its teacher.
///
/// Both variants first average the **teacher's** channels down to the student's (PyTorch's
/// `adaptive_avg_pool3d` bins), where the student has fewer. The teacher is a constant: it is
/// detached, and no gradient reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureLoss {
    /// The loss of SpectralKD (arXiv 2412.19055, released code): ortho `rfft2` over H and W of
    /// both, real and imaginary parts stacked, mean squared error over all `2 B C H (W/2 + 1)` of
    /// them.
    Spectral(SpectralForm),
    /// The control: the plain mean squared error over all `B C H W` features.
    Mse,
}

impl FeatureLoss {
    /// The loss of one pair, student features `[B, C_s, H, W]` and teacher features `[B, C_t, H,
    /// W]` with `C_s <= C_t`, as a scalar tensor: f64 for an f64 student, else f32 (half types are
    /// computed in f32, as the released code does). Any strides.
    ///
    /// # Errors
    /// Shapes that do not fit (the message gives both), empty tensors, or element types that are
    /// not floating point.
    pub fn pair(&self, student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
        let (student, teacher) = matched(student, teacher)?;
        Ok(match self {
            FeatureLoss::Mse => squared_error(&student, &teacher, Weights::mean(student.dims()))?,
            FeatureLoss::Spectral(SpectralForm::Parseval) => {
                squared_error(&student, &teacher, Weights::half_spectrum(student.dims()))?
            }
            FeatureLoss::Spectral(SpectralForm::Fft) => {
                let student = rfft2(&student, Norm::Ortho)?.into_tensor();
                let teacher = rfft2(&teacher, Norm::Ortho)?.into_tensor();
                squared_error(&student, &teacher, Weights::mean(student.dims()))?
            }
        })
    }

    /// The plain mean of [`Self::pair`] over `(student, teacher)` pairs, which may differ in shape.
    ///
    /// # Errors
    /// No pairs at all, or what [`Self::pair`] says about one of them, with its index.
    pub fn pairs(&self, pairs: &[(Tensor, Tensor)]) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (index, (student, teacher)) in pairs.iter().enumerate() {
            let loss = self.pair(student, teacher).map_err(|source| Error::Pair {
                index,
                source: Box::new(source),
            })?;
            sum = Some(match sum {
                Some(sum) => (sum + loss)?,
                None => loss,
            });
        }
        let sum = sum.ok_or(Error::NoPairs)?;
        Ok((sum / pairs.len() as f64)?)
    }
}

/// The ratio of the spectral loss to the plain mean squared error, each the mean over these pairs:
/// what to weight the control [`FeatureLoss::Mse`] with, so that it weighs as much as the spectral
/// loss.
///
/// About one half: 0.5 for white error, up to `W / (W + 2)` (even W; odd W: `W / (W + 1)`) where
/// the error is constant along W (0.875 at W = 7 and W = 14), and down to half of that where it has
/// neither constant nor alternating part.
///
/// # Errors
/// As [`FeatureLoss::pairs`], and where student and teacher are equal or not finite.
pub fn spectral_to_mse_ratio(pairs: &[(Tensor, Tensor)]) -> Result<f64> {
    let measure = |loss: FeatureLoss| -> Result<f64> {
        Ok(loss
            .pairs(pairs)?
            .to_dtype(DType::F64)?
            .to_scalar::<f64>()?)
    };
    let spectral = measure(FeatureLoss::Spectral(SpectralForm::Parseval))?;
    let mse = measure(FeatureLoss::Mse)?;
    let ratio = spectral / mse;
    if ratio.is_finite() {
        Ok(ratio)
    } else {
        Err(Error::NoRatio { spectral, mse })
    }
}

/// Checks a pair and brings it to one precision and one number of channels, the teacher detached.
fn matched(student: &Tensor, teacher: &Tensor) -> Result<(Tensor, Tensor)> {
    for (what, x) in [("student features", student), ("teacher features", teacher)] {
        if x.rank() != 4 || x.elem_count() == 0 {
            return Err(Error::Shape {
                what,
                expected: "[B, C, H, W]",
                shape: x.dims().to_vec(),
            });
        }
        if !x.dtype().is_float() {
            let expected = "a floating-point tensor";
            return Err(Error::DType {
                what,
                expected,
                dtype: x.dtype(),
            });
        }
    }
    let (ours, theirs) = (student.dims(), teacher.dims());
    if ours[0] != theirs[0] || ours[2..] != theirs[2..] {
        return Err(Error::Mismatch {
            left: "student features",
            left_shape: ours.to_vec(),
            right: "teacher features",
            right_shape: theirs.to_vec(),
            axes: "batch, height or width ([B, C, H, W]; only channels may differ)",
        });
    }
    if ours[1] > theirs[1] {
        return Err(Error::StudentWider {
            student: ours.to_vec(),
            teacher: theirs.to_vec(),
        });
    }
    let precision = if student.dtype() == DType::F64 {
        DType::F64
    } else {
        DType::F32
    };
    let teacher = teacher.detach().to_dtype(precision)?;
    let teacher = adaptive_avg_pool_channels(&teacher, ours[1])?;
    Ok((student.to_dtype(precision)?, teacher))
}
