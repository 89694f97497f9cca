//! Losses between the feature maps of a student and its teacher, chosen by an enum.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::kinds::mse::mean_squared_error;
use crate::kinds::spectral::{spectral_loss, spectral_loss_by_fft};
use crate::{Error, Result};

/// Two ways to compute the one spectral loss; they agree to rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpectralForm {
    /// [`spectral_loss_by_fft`].
    #[default]
    Fft,
    /// [`spectral_loss`].
    Parseval,
}

/// What is compared between the features of a student and its teacher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureLoss {
    /// [`spectral_loss`].
    Spectral(SpectralForm),
    /// [`mean_squared_error`].
    Mse,
}

impl FeatureLoss {
    /// The loss of one pair.
    ///
    /// # Errors
    /// As [`spectral_loss`].
    pub fn pair(&self, student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
        match self {
            FeatureLoss::Mse => mean_squared_error(student, teacher),
            FeatureLoss::Spectral(SpectralForm::Parseval) => spectral_loss(student, teacher),
            FeatureLoss::Spectral(SpectralForm::Fft) => spectral_loss_by_fft(student, teacher),
        }
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
