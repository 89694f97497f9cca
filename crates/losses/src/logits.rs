//! What the losses on logits share.

use candle_core::{D, DType, Tensor};

use crate::{Error, Head, Inputs, Needs, Request, Result};

/// The student's logits beside the teacher's own answer, as [`crate::Context::logit_pair`] checked
/// them.
#[derive(Clone, Debug)]
pub struct LogitPair {
    student: Request,
    teacher: Request,
    needs: Needs,
}

impl LogitPair {
    pub(crate) fn new(student: Request) -> Self {
        let teacher = Request::Logits(Head::Mean);
        let needs = Needs {
            student: [student].into(),
            teacher: [teacher].into(),
        };
        Self {
            student,
            teacher,
            needs,
        }
    }

    /// Both logits.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// The student's logits and the teacher's, `[B, K]`.
    ///
    /// # Errors
    /// If one of them was not computed.
    pub fn get<'a>(&self, inputs: &Inputs<'a>) -> Result<(&'a Tensor, &'a Tensor)> {
        let student = inputs.student.get(&self.student)?;
        Ok((student, inputs.teacher.get(&self.teacher)?))
    }
}

/// `log(exp(x) / sum exp(x))` over the last axis. The maximum cancels, so that no gradient need go
/// through it.
pub(crate) fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.detach().max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    Ok(shifted.broadcast_sub(&log_sum)?)
}

/// f64 stays, half types become f32.
pub(crate) fn to_working_precision(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::F64 => Ok(x.clone()),
        _ => Ok(x.to_dtype(DType::F32)?),
    }
}

/// Batch and classes of a logits tensor.
pub(crate) fn check_logits(what: &'static str, logits: &Tensor) -> Result<(usize, usize)> {
    let shape = || Error::Shape {
        what,
        expected: "[B, K]",
        shape: logits.dims().to_vec(),
    };
    let &[batch, classes] = logits.dims() else {
        return Err(shape());
    };
    if batch == 0 || classes == 0 {
        return Err(shape());
    }
    if !logits.dtype().is_float() {
        return Err(Error::DType {
            what,
            expected: "a floating-point tensor",
            dtype: logits.dtype(),
        });
    }
    Ok((batch, classes))
}

/// The number of samples of the logits of student and teacher, both `[B, K]`.
pub(crate) fn check_pair(student: &Tensor, teacher: &Tensor) -> Result<usize> {
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
