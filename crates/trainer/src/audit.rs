//! The gradient audit: does everything train that should, and nothing that should not?
//!
//! Several of candle's fused operations stop gradients without a word; a model built from them
//! trains its last layer and leaves the rest at its initial values, and its loss still falls.
//! The audit looks at the gradients of the first step, before anything is updated:
//!
//! - every trainable parameter has a gradient that is finite and not all zero (rows whose
//!   gradient is zero in exact arithmetic, as the task names them, are judged only for being
//!   finite);
//! - the loss depends on no variable beside the trainable ones;
//! - no frozen parameter is a variable, depends on one, or got a gradient.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};

use crate::error::{Error, Result};
use crate::gradients::Gradients;
use crate::reads::Reads;

/// One thing the audit found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The parameter's name, or a description where it has none.
    pub parameter: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A trainable parameter that the backward pass does not reach.
    NoGradient,
    /// A trainable parameter whose gradient is zero throughout.
    ZeroGradient,
    /// A trainable parameter with a NaN or an infinity in its gradient.
    NonFiniteGradient,
    /// A frozen parameter that is a variable, or computed from one.
    FrozenIsTracked,
    /// A frozen parameter that got a gradient.
    FrozenHasGradient,
    /// A variable that the loss depends on and that is not among the trainable ones.
    UnknownVariable,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, problem } = self;
        match problem {
            Problem::NoGradient => write!(
                f,
                "trainable `{parameter}` gets no gradient (an operation without a backward pass, or unused)"
            ),
            Problem::ZeroGradient => {
                write!(f, "the gradient of trainable `{parameter}` is all zero")
            }
            Problem::NonFiniteGradient => {
                write!(
                    f,
                    "the gradient of trainable `{parameter}` holds a NaN or an infinity"
                )
            }
            Problem::FrozenIsTracked => write!(
                f,
                "frozen `{parameter}` is a variable or computed from one; load it as a plain tensor"
            ),
            Problem::FrozenHasGradient => write!(
                f,
                "frozen `{parameter}` gets a gradient; detach what the frozen part is fed"
            ),
            Problem::UnknownVariable => write!(
                f,
                "the loss depends on {parameter}, which is not among the trainable parameters"
            ),
        }
    }
}

/// Judges the gradients of a step.
///
/// `loss` is the scalar that was differentiated, `gradients` those of the trainable `vars`,
/// `rest` the store of the backward pass without them, and `zero(name)` the rows of a
/// parameter that may be zero. Every gradient is read whole.
///
/// # Errors
/// [`Error::Audit`] with everything that was found; [`Error::Tensor`] if a gradient cannot be read.
pub(crate) fn audit(
    loss: &Tensor,
    vars: &BTreeMap<String, Var>,
    frozen: &BTreeMap<String, Tensor>,
    gradients: &Gradients,
    rest: &GradStore,
    zero: impl Fn(&str) -> Option<Range<usize>>,
    reads: &Reads,
) -> Result<()> {
    let mut findings = Vec::new();
    let mut found = |parameter: &str, problem| {
        findings.push(Finding {
            parameter: parameter.to_string(),
            problem,
        });
    };

    for (name, var) in vars {
        let problem = match gradients.get(name) {
            None => missing(var, zero(name)),
            Some(gradient) => (reads.fetch(gradient))
                .and_then(|gradient| judge(&gradient, zero(name)))
                .map_err(Error::tensor(format!("auditing the gradient of `{name}`")))?,
        };
        if let Some(problem) = problem {
            found(name, problem);
        }
    }
    for (name, tensor) in frozen {
        if tensor.track_op() {
            found(name, Problem::FrozenIsTracked);
        } else if rest.get(tensor).is_some() {
            found(name, Problem::FrozenHasGradient);
        }
    }
    for node in loss.sorted_nodes() {
        let known = |t: &Tensor| t.id() == node.id();
        if node.is_variable() && !vars.values().any(|v| known(v)) && !frozen.values().any(known) {
            let what = format!("a variable of shape {:?}", node.dims());
            found(&what, Problem::UnknownVariable);
        }
    }

    if findings.is_empty() {
        Ok(())
    } else {
        Err(Error::Audit { findings })
    }
}

/// A parameter without a gradient is in order only where every row may be zero.
fn missing(var: &Var, zero: Option<Range<usize>>) -> Option<Problem> {
    let rows = var.dims().first().copied().unwrap_or(1);
    match zero {
        Some(range) if range.start == 0 && range.end >= rows => None,
        _ => Some(Problem::NoGradient),
    }
}

/// What is wrong with a gradient, if anything; `zero` rows need only be finite.
fn judge(gradient: &Tensor, zero: Option<Range<usize>>) -> candle_core::Result<Option<Problem>> {
    let rows = gradient.dims().first().copied().unwrap_or(1).max(1);
    let data = gradient
        .to_dtype(DType::F64)?
        .flatten_all()?
        .to_vec1::<f64>()?;
    if !data.iter().all(|x| x.is_finite()) {
        return Ok(Some(Problem::NonFiniteGradient));
    }
    let exempt = zero.unwrap_or(0..0);
    let width = data.len() / rows;
    let judged = || {
        data.iter()
            .enumerate()
            .filter(|(i, _)| width == 0 || !exempt.contains(&(i / width)))
    };
    let nothing_to_judge = !data.is_empty() && judged().next().is_none();
    if nothing_to_judge || judged().any(|(_, &x)| x != 0.0) {
        Ok(None)
    } else {
        Ok(Some(Problem::ZeroGradient))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn check<const N: usize>(data: &[[f32; 2]; N], zero: Option<Range<usize>>) -> Option<Problem> {
        judge(&Tensor::new(data, &Device::Cpu).unwrap(), zero).unwrap()
    }

    #[test]
    fn rows_that_may_be_zero_are_judged_for_being_finite_only() {
        let key_bias = [[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]];
        assert_eq!(check(&key_bias, None), None);
        assert_eq!(check(&key_bias, Some(1..2)), None);
        assert_eq!(
            check(&[[0.0, 0.0], [1.0, 0.0]], Some(1..2)),
            Some(Problem::ZeroGradient)
        );
        assert_eq!(check(&[[0.0, 0.0], [0.0, 0.0]], Some(0..2)), None);
        assert_eq!(
            check(&[[0.0, f32::NAN], [0.0, 0.0]], Some(0..2)),
            Some(Problem::NonFiniteGradient)
        );
        assert_eq!(check(&[[0.0, 0.0]], None), Some(Problem::ZeroGradient));
    }
}
