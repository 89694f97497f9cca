//! `kind = "kl"`: soft distillation of logits (Hinton 2015, arXiv 1503.02531).

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::logits::{LogitPair, check_pair, log_softmax, to_working_precision};
use crate::{Context, Head, Inputs, Kind, Needs, Objective, Result, Term, Wrong};

/// [`soft_distillation`] of the teacher's logits into those of one head of the student.
///
/// With the distillation head beside a cross entropy on the class head it is the soft distillation
/// through a token of DeiT (Touvron 2021, arXiv 2012.12877, equation 2). The code released with that
/// paper divides by the number of classes besides: its weight is `1 / K` of the one here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kl {
    /// The temperature of both softmaxes.
    pub tau: f64,
    /// Which of the student's heads learns.
    pub head: Head,
}

impl Default for Kl {
    fn default() -> Self {
        let head = Head::default();
        Self { tau: 1.0, head }
    }
}

impl Kind for Kl {
    const KIND: &'static str = "kl";

    fn check(&self) -> Result<(), Wrong> {
        Wrong::unless_positive("tau", self.tau)
    }

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>> {
        Ok(Box::new(KlObjective {
            tau: self.tau,
            logits: context.logit_pair(self.head)?,
        }))
    }
}

#[derive(Debug)]
struct KlObjective {
    tau: f64,
    logits: LogitPair,
}

impl Objective for KlObjective {
    fn needs(&self) -> &Needs {
        self.logits.needs()
    }

    fn terms(&self, inputs: &Inputs<'_>) -> Result<Vec<Term>> {
        let (student, teacher) = self.logits.get(inputs)?;
        Ok(Term::only(soft_distillation(student, teacher, self.tau)?))
    }
}

/// Soft distillation: `tau^2 * KL(teacher || student)` of the softmax distributions at temperature
/// `tau`, summed over classes and averaged over the batch, in nats, as a scalar tensor. Both logits
/// are `[B, K]`; `tau > 0`.
///
/// PyTorch's `kl_div(log_softmax(student/tau), log_softmax(teacher/tau), reduction="batchmean",
/// log_target=True)` times `tau^2`, as in the released code of SpectralKD (arXiv 2412.19055). The
/// teacher is a constant: no gradient reaches it.
///
/// # Errors
/// Shapes that differ or are not `[B, K]`, or a temperature that is not positive and finite.
pub fn soft_distillation(student: &Tensor, teacher: &Tensor, tau: f64) -> Result<Tensor> {
    let batch = check_pair(student, teacher)?;
    Wrong::unless_positive("tau", tau)?;
    let student = to_working_precision(student)?;
    let teacher = teacher.detach().to_dtype(student.dtype())?;
    let student = log_softmax(&(student / tau)?)?;
    let teacher = log_softmax(&(teacher / tau)?)?;
    let divergence = teacher.exp()?.mul(&(&teacher - student)?)?.sum_all()?;
    Ok((divergence * (tau * tau / batch as f64))?)
}
