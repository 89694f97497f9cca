//! Distillation of a teacher's logits.

use candle_core::{D, Tensor};

use crate::classification::{check_logits, cross_entropy, log_softmax, to_working_precision};
use crate::{Error, Result};

/// Soft distillation: `tau^2 * KL(teacher || student)` of the softmax distributions at temperature
/// `tau`, summed over classes and averaged over the batch, in nats, as a scalar tensor. Both logits
/// are `[B, K]`; `tau > 0`.
///
/// PyTorch's `kl_div(log_softmax(student/tau), log_softmax(teacher/tau), reduction="batchmean",
/// log_target=True)` times `tau^2`. The teacher is a constant: no gradient reaches it.
///
/// # Errors
/// Shapes that differ or are not `[B, K]`, or a temperature that is not positive and finite.
pub fn soft_distillation(student: &Tensor, teacher: &Tensor, tau: f64) -> Result<Tensor> {
    let batch = check_pair(student, teacher)?;
    check_tau(tau)?;
    let student = to_working_precision(student)?;
    let teacher = teacher.detach().to_dtype(student.dtype())?;
    let student = log_softmax(&(student / tau)?)?;
    let teacher = log_softmax(&(teacher / tau)?)?;
    let divergence = teacher.exp()?.mul(&(&teacher - student)?)?.sum_all()?;
    Ok((divergence * (tau * tau / batch as f64))?)
}

/// Hard distillation: the cross entropy of the student's logits against the teacher's most likely
/// classes, both `[B, K]`, without label smoothing or temperature, in nats, as a scalar tensor. The
/// teacher is a constant.
///
/// # Errors
/// Shapes that differ or are not `[B, K]`.
pub fn hard_distillation(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    check_pair(student, teacher)?;
    let labels = teacher.detach().argmax(D::Minus1)?;
    cross_entropy(student, &labels, 0.0)
}

pub(crate) fn check_tau(tau: f64) -> Result<()> {
    if tau.is_finite() && tau > 0.0 {
        return Ok(());
    }
    Err(Error::Setting {
        name: "tau",
        value: tau,
        range: "positive and finite",
    })
}

fn check_pair(student: &Tensor, teacher: &Tensor) -> Result<usize> {
    let (batch, _) = check_logits("student logits", student)?;
    check_logits("teacher logits", teacher)?;
    if student.dims() != teacher.dims() {
        return Err(Error::Mismatch {
            left: "student logits",
            left_shape: student.dims().to_vec(),
            right: "teacher logits",
            right_shape: teacher.dims().to_vec(),
            axes: "the batch or the number of classes ([B, K])",
        });
    }
    Ok(batch)
}
