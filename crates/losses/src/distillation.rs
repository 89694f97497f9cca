//! The whole training loss of a student, out of its parts.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::kinds::cross_entropy::{check_smoothing, cross_entropy};
use crate::kinds::hard::hard_distillation;
use crate::kinds::kl::soft_distillation;
use crate::{Error, FeatureLoss, Result, Wrong};

/// What a student learns from its teacher besides features; the released code's distillation types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Logits {
    /// No distillation at all (`none`): the cross entropy alone, with factor 1. `alpha` and the
    /// feature loss are ignored, the teacher is not needed.
    None,
    /// Features, but no logits (`fft`): `(1 - alpha) * CE + beta * w * L`.
    FeaturesOnly,
    /// [`soft_distillation`] (`soft`).
    Soft,
    /// [`hard_distillation`] (`hard`).
    Hard,
}

/// The training loss `(1 - alpha) * CE + alpha * KD + beta * w * L`.
///
/// `CE` is the [`cross_entropy`] with label smoothing, `KD` the logit distillation (soft: with its
/// factor `tau^2`), `L` the feature loss (a mean over pairs of layers) and `w` its weight.
/// [`Logits`] says which terms there are. As in the released code of SpectralKD (arXiv 2412.19055),
/// whose recipes have `alpha` 0.9, `tau` 1, smoothing 0.1, `beta` 1 and `w` 0.2 (DeiT) or 0.05
/// (Swin).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillationLoss {
    /// What is learned from the teacher's logits.
    pub logits: Logits,
    /// The share of the distillation term against the cross entropy, in `[0, 1]`.
    pub alpha: f64,
    /// The temperature of soft distillation, positive.
    pub tau: f64,
    /// The label smoothing of the cross entropy, in `[0, 1)`.
    pub smoothing: f64,
    /// The factor on the whole feature term, at least 0.
    pub beta: f64,
    /// The feature loss and its weight `w`, at least 0; none for logits only.
    pub feature: Option<(FeatureLoss, f64)>,
}

/// A training loss and what it is made of.
#[derive(Clone, Debug)]
pub struct LossParts {
    /// The scalar to minimise.
    pub total: Tensor,
    /// The terms before any weighting, by name, in this order where present: `ce`, `kd`, `feature`.
    pub parts: Vec<(&'static str, Tensor)>,
}

impl DistillationLoss {
    /// The cross entropy alone.
    pub fn cross_entropy(smoothing: f64) -> Self {
        Self {
            logits: Logits::None,
            alpha: 0.0,
            tau: 1.0,
            smoothing,
            beta: 1.0,
            feature: None,
        }
    }

    /// Checks every setting against its range. [`Self::forward`] does so too.
    ///
    /// # Errors
    /// The first setting that is out of range, or [`Logits::FeaturesOnly`] without a feature loss.
    pub fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.alpha) {
            let range = "between 0 and 1";
            return Err(Error::Setting {
                name: "alpha",
                value: self.alpha,
                range,
            });
        }
        Wrong::unless_positive("tau", self.tau)?;
        check_smoothing(self.smoothing)?;
        let weight = self.feature.map_or(0.0, |(_, weight)| weight);
        for (name, value) in [("beta", self.beta), ("the feature loss's weight", weight)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::Setting {
                    name,
                    value,
                    range: "finite and at least 0",
                });
            }
        }
        if self.logits == Logits::FeaturesOnly && self.feature.is_none() {
            return Err(Error::NoFeatureLoss);
        }
        Ok(())
    }

    /// The loss of one batch: the student's `logits` `[B, K]`, labels `targets` `[B]`, the
    /// teacher's logits `[B, K]` (needed by soft and hard distillation only) and `(student,
    /// teacher)` pairs of features `[B, C, H, W]` (read only where there is a feature loss). Terms
    /// that the settings leave out are not computed. Gradients reach the student's tensors only.
    ///
    /// # Errors
    /// Settings out of range, a missing teacher, no pairs for a feature loss, and whatever the
    /// terms say about their tensors.
    pub fn forward(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        teacher_logits: Option<&Tensor>,
        pairs: &[(Tensor, Tensor)],
    ) -> Result<LossParts> {
        self.validate()?;
        let ce = cross_entropy(logits, targets, self.smoothing)?;
        if self.logits == Logits::None {
            return Ok(LossParts {
                total: ce.clone(),
                parts: vec![("ce", ce)],
            });
        }
        let mut total = (&ce * (1.0 - self.alpha))?;
        let mut parts = vec![("ce", ce)];
        if let Some(kd) = self.logit_distillation(logits, teacher_logits)? {
            total = (total + (&kd * self.alpha)?)?;
            parts.push(("kd", kd));
        }
        if let Some((loss, weight)) = self.feature {
            let feature = loss.pairs(pairs)?.to_dtype(total.dtype())?;
            total = (total + (&feature * (self.beta * weight))?)?;
            parts.push(("feature", feature));
        }
        Ok(LossParts { total, parts })
    }

    fn logit_distillation(
        &self,
        student: &Tensor,
        teacher: Option<&Tensor>,
    ) -> Result<Option<Tensor>> {
        let needed = |kind| teacher.ok_or(Error::NoTeacherLogits { kind });
        match self.logits {
            Logits::None | Logits::FeaturesOnly => Ok(None),
            Logits::Soft => soft_distillation(student, needed("soft")?, self.tau).map(Some),
            Logits::Hard => hard_distillation(student, needed("hard")?).map(Some),
        }
    }
}
