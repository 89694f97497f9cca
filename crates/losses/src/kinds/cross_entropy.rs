//! `kind = "cross-entropy"`: classification, with label smoothing.

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::logits::{check_logits, log_softmax, to_working_precision};
use crate::{Context, Error, Head, Inputs, Kind, Needs, Objective, Request, Result, Term, Wrong};

/// [`cross_entropy`] of one head of the student against the labels; where images are mixed,
/// [`soft_cross_entropy`] against their soft targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropy {
    /// The label smoothing, in `[0, 1)`.
    pub smoothing: f64,
    /// Which of the student's heads learns.
    pub head: Head,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        let head = Head::default();
        Self {
            smoothing: 0.1,
            head,
        }
    }
}

impl Kind for CrossEntropy {
    const KIND: &'static str = "cross-entropy";

    fn check(&self) -> Result<(), Wrong> {
        check_smoothing(self.smoothing)
    }

    fn uses_teacher(&self) -> bool {
        false
    }

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>> {
        let logits = context.student_logits(self.head)?;
        let needs = Needs {
            student: [logits].into(),
            ..Needs::default()
        };
        Ok(Box::new(CrossEntropyObjective {
            smoothing: self.smoothing,
            logits,
            needs,
        }))
    }
}

#[derive(Debug)]
struct CrossEntropyObjective {
    smoothing: f64,
    logits: Request,
    needs: Needs,
}

impl Objective for CrossEntropyObjective {
    fn needs(&self) -> &Needs {
        &self.needs
    }

    fn terms(&self, inputs: &Inputs<'_>) -> Result<Vec<Term>> {
        let logits = inputs.student.get(&self.logits)?;
        Ok(Term::only(match inputs.targets {
            Some(targets) => soft_cross_entropy(logits, targets, self.smoothing)?,
            None => cross_entropy(logits, inputs.labels()?, self.smoothing)?,
        }))
    }
}

/// The mean cross entropy of `logits` `[B, K]` against class labels `targets` `[B]` (any integer
/// type), in nats, as a scalar tensor: `(1 - s) * mean of -log p[target] + s * mean of -log p` with
/// `s = smoothing` in `[0, 1)` and the second mean over samples and classes. PyTorch's
/// `cross_entropy(logits, targets, label_smoothing=s)`.
///
/// f64 logits give f64, all others are computed in f32.
///
/// # Errors
/// Shapes that do not fit, no samples or classes, labels outside `0..K` (the message names the
/// sample), or a smoothing out of range.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, smoothing: f64) -> Result<Tensor> {
    let (batch, classes) = check_logits("logits", logits)?;
    check_smoothing(smoothing)?;
    let labels = check_targets(logits, targets, classes)?;
    let log_p = log_softmax(&to_working_precision(logits)?)?;
    let labels = Tensor::from_vec(labels, (batch, 1), logits.device())?;
    let nll = (log_p.gather(&labels, 1)?.sum_all()? / -(batch as f64))?;
    if smoothing == 0.0 {
        return Ok(nll);
    }
    let uniform = (log_p.sum_all()? / -((batch * classes) as f64))?;
    Ok(((nll * (1.0 - smoothing))? + (uniform * smoothing)?)?)
}

/// The mean cross entropy of `logits` `[B, K]` against soft `targets` `[B, K]`, the shares of the
/// classes in each sample, in nats, as a scalar tensor: the sum over classes of `-((1 - s) target + s
/// / K) log p`, averaged over the batch. PyTorch's `cross_entropy` with probabilities as targets; with
/// one-hot targets it is [`cross_entropy`]. The targets are constants.
///
/// timm smooths labels before it mixes them, which gives the same targets.
///
/// # Errors
/// Shapes that differ or are not `[B, K]`, or a smoothing out of range.
pub fn soft_cross_entropy(logits: &Tensor, targets: &Tensor, smoothing: f64) -> Result<Tensor> {
    let (batch, classes) = check_logits("logits", logits)?;
    check_logits("soft targets", targets)?;
    check_smoothing(smoothing)?;
    if logits.dims() != targets.dims() {
        return Err(Error::Mismatch {
            left: "logits",
            left_shape: logits.dims().to_vec(),
            right: "soft targets",
            right_shape: targets.dims().to_vec(),
            axes: "the batch or the number of classes ([B, K])",
        });
    }
    let log_p = log_softmax(&to_working_precision(logits)?)?;
    let targets = targets.detach().to_dtype(log_p.dtype())?;
    let targets = targets.affine(1.0 - smoothing, smoothing / classes as f64)?;
    Ok((log_p.mul(&targets)?.sum_all()? / -(batch as f64))?)
}

pub(crate) fn check_smoothing(smoothing: f64) -> Result<(), Wrong> {
    if (0.0..1.0).contains(&smoothing) {
        return Ok(());
    }
    let rule = format!("must be at least 0 and less than 1, got {smoothing}");
    Err(Wrong::new("smoothing", rule))
}

fn check_targets(logits: &Tensor, targets: &Tensor, classes: usize) -> Result<Vec<u32>> {
    if targets.dtype().is_float() {
        let (what, expected) = ("targets", "class labels of an integer type");
        return Err(Error::DType {
            what,
            expected,
            dtype: targets.dtype(),
        });
    }
    if targets.rank() != 1 || targets.dims()[0] != logits.dims()[0] {
        return Err(Error::Mismatch {
            left: "logits",
            left_shape: logits.dims().to_vec(),
            right: "targets",
            right_shape: targets.dims().to_vec(),
            axes: "the batch ([B, K] and [B])",
        });
    }
    let labels = targets.to_dtype(DType::I64)?.to_vec1::<i64>()?;
    let check = |(index, target): (usize, i64)| match u32::try_from(target) {
        Ok(label) if (label as usize) < classes => Ok(label),
        _ => Err(Error::Target {
            index,
            target,
            classes,
        }),
    };
    labels.into_iter().enumerate().map(check).collect()
}
