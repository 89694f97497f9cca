//! `kind = "dist"`: relations of predictions (Huang 2022, arXiv 2205.10536).

use candle_core::{D, DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::logits::{LogitPair, check_pair, log_softmax, to_working_precision};
use crate::{Context, Head, Inputs, Kind, Needs, Objective, Result, Term, Wrong};

/// The two [`correlation_losses`] between one head of the student and the teacher: DIST, as the code
/// released with the paper computes it.
///
/// The second term relates images to each other: the loss is no mean over images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dist {
    /// Factor on the relation between the classes of an image.
    pub beta: f64,
    /// Factor on the relation between the images of a class.
    pub gamma: f64,
    /// The temperature of both softmaxes.
    pub tau: f64,
    /// Which of the student's heads learns.
    pub head: Head,
}

impl Default for Dist {
    fn default() -> Self {
        Self {
            beta: 1.0,
            gamma: 1.0,
            tau: 1.0,
            head: Head::default(),
        }
    }
}

impl Kind for Dist {
    const KIND: &'static str = "dist";

    fn check(&self) -> Result<(), Wrong> {
        Wrong::unless_weight("beta", self.beta)?;
        Wrong::unless_weight("gamma", self.gamma)?;
        Wrong::unless_positive("tau", self.tau)
    }

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>> {
        let logits = context.logit_pair(self.head)?;
        let spec = self.clone();
        Ok(Box::new(DistObjective { spec, logits }))
    }
}

#[derive(Debug)]
struct DistObjective {
    spec: Dist,
    logits: LogitPair,
}

impl Objective for DistObjective {
    fn needs(&self) -> &Needs {
        self.logits.needs()
    }

    fn terms(&self, inputs: &Inputs<'_>) -> Result<Vec<Term>> {
        let (student, teacher) = self.logits.get(inputs)?;
        let [inter, intra] = correlation_losses(student, teacher, self.spec.tau)?;
        Ok(vec![
            Term::named("inter", inter, self.spec.beta),
            Term::named("intra", intra, self.spec.gamma),
        ])
    }

    fn is_mean_over_images(&self) -> bool {
        false
    }
}

/// `tau^2 (1 - r)` of the softmax probabilities of student and teacher at temperature `tau`, logits
/// `[B, K]`: with `r` the mean over images of the Pearson correlation over classes (inter-class), and
/// with `r` the mean over classes of that over images (intra-class; nothing to learn from a single
/// image). Scalar tensors, f64 for an f64 student, else f32.
///
/// The correlation is `a·b / (|a| |b| + 1e-8)` of the centred vectors. The teacher is a constant.
///
/// # Errors
/// Shapes that differ or are not `[B, K]`, or a temperature that is not positive and finite.
pub fn correlation_losses(student: &Tensor, teacher: &Tensor, tau: f64) -> Result<[Tensor; 2]> {
    check_pair(student, teacher)?;
    Wrong::unless_positive("tau", tau)?;
    let student = to_working_precision(student)?;
    let teacher = teacher.detach().to_dtype(student.dtype())?;
    let student = log_softmax(&(student / tau)?)?.exp()?;
    let teacher = log_softmax(&(teacher / tau)?)?.exp()?;
    let by_class = |p: &Tensor| p.t()?.contiguous();
    let loss = |student: &Tensor, teacher: &Tensor| -> Result<Tensor> {
        let correlation = correlations(student, teacher)?.mean_all()?;
        Ok(((1.0 - correlation)? * (tau * tau))?)
    };
    Ok([
        loss(&student, &teacher)?,
        loss(&by_class(&student)?, &by_class(&teacher)?)?,
    ])
}

/// The Pearson correlation of each pair of rows.
fn correlations(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    const EPS: f64 = 1e-8;
    let centred = |x: &Tensor| x.broadcast_sub(&x.mean_keepdim(D::Minus1)?);
    let (a, b) = (centred(a)?, centred(b)?);
    let lengths = (length(&a)? * length(&b)?)?;
    Ok(((a * b)?.sum(D::Minus1)? / (lengths + EPS)?)?)
}

/// The length of each row. Of a row of zeros, whose length has no slope, the gradient is 0, as
/// torch has it; the floor that sees to that is far below what a correlation can tell from 0.
fn length(x: &Tensor) -> Result<Tensor> {
    let floor = match x.dtype() {
        DType::F64 => 1e-60,
        _ => 1e-36,
    };
    Ok(x.sqr()?.sum(D::Minus1)?.maximum(floor)?.sqrt()?)
}
