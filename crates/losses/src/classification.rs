//! Cross entropy with label smoothing.

use candle_core::{D, DType, Tensor};

use crate::{Error, Result};

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
    let &[batch, classes] = logits.dims() else {
        return Err(Error::Shape {
            what,
            expected: "[B, K]",
            shape: logits.dims().to_vec(),
        });
    };
    if batch == 0 || classes == 0 {
        return Err(Error::Shape {
            what,
            expected: "[B, K]",
            shape: vec![batch, classes],
        });
    }
    if !logits.dtype().is_float() {
        let expected = "a floating-point tensor";
        return Err(Error::DType {
            what,
            expected,
            dtype: logits.dtype(),
        });
    }
    Ok((batch, classes))
}

pub(crate) fn check_smoothing(smoothing: f64) -> Result<()> {
    if (0.0..1.0).contains(&smoothing) {
        return Ok(());
    }
    let range = "at least 0 and less than 1";
    Err(Error::Setting {
        name: "smoothing",
        value: smoothing,
        range,
    })
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
