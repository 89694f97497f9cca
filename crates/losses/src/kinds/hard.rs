//! `kind = "hard"`: distillation of the teacher's decision (Touvron 2021, arXiv 2012.12877).

use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};

use super::cross_entropy::cross_entropy;
use crate::logits::{LogitPair, check_pair};
use crate::{Context, Head, Inputs, Kind, Needs, Objective, Result, Term};

/// [`hard_distillation`] of the teacher's logits into those of one head of the student.
///
/// With the distillation head beside a cross entropy on the class head, both of weight one half, it is
/// the hard distillation through a token of DeiT (Touvron 2021, equation 3).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hard {
    /// Which of the student's heads learns.
    pub head: Head,
}

impl Kind for Hard {
    const KIND: &'static str = "hard";

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>> {
        Ok(Box::new(HardObjective(context.logit_pair(self.head)?)))
    }
}

#[derive(Debug)]
struct HardObjective(LogitPair);

impl Objective for HardObjective {
    fn needs(&self) -> &Needs {
        self.0.needs()
    }

    fn terms(&self, inputs: &Inputs<'_>) -> Result<Vec<Term>> {
        let (student, teacher) = self.0.get(inputs)?;
        Ok(Term::only(hard_distillation(student, teacher)?))
    }
}

/// Hard distillation: the cross entropy of the student's logits against the teacher's most likely
/// classes, both `[B, K]`, without label smoothing or temperature, in nats, as a scalar tensor. The
/// teacher is a constant; of equal logits its first counts.
///
/// # Errors
/// Shapes that differ or are not `[B, K]`.
pub fn hard_distillation(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    check_pair(student, teacher)?;
    let labels = teacher.detach().argmax(D::Minus1)?;
    cross_entropy(student, &labels, 0.0)
}
