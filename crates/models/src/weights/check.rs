//! Whether tensors are the parameters of a model.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::source::Described;
use crate::{Error, Mismatch, ModelConfig, Result};

/// Whether `tensors` are exactly the parameters of the model and finite, each of a type that is `usable`.
pub(crate) fn tensors(
    config: &ModelConfig,
    tensors: &BTreeMap<String, Tensor>,
    usable: impl Fn(DType) -> bool,
) -> Result<()> {
    let describe = |tensor: &Tensor| Described {
        shape: tensor.dims().to_vec(),
        dtype: match tensor.dtype() {
            dtype if usable(dtype) => Ok(dtype),
            dtype => Err(format!("{dtype:?}")),
        },
    };
    let found = tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), describe(tensor)));
    let origin = "the tensors given";
    refuse(
        differences(&config.parameters()?, &found.collect()),
        origin,
        config,
    )?;
    let mut finite = Finite::default();
    for (name, tensor) in tensors {
        finite.look(name, tensor)?;
    }
    finite.check(origin)
}

/// Compares what was found with the model's parameters.
pub(super) fn differences(
    expected: &BTreeMap<String, Vec<usize>>,
    found: &BTreeMap<String, Described>,
) -> Mismatch {
    let mut mismatch = Mismatch::default();
    for (name, shape) in expected {
        match found.get(name) {
            None => mismatch.missing.push(format!("{name} {shape:?}")),
            Some(own) if own.shape != *shape => {
                let own = &own.shape;
                mismatch
                    .misshaped
                    .push(format!("{name} {own:?}, not {shape:?}"));
            }
            Some(own) => {
                if let Err(dtype) = &own.dtype {
                    mismatch.mistyped.push(format!("{name} is {dtype}"));
                }
            }
        }
    }
    for (name, own) in found {
        if !expected.contains_key(name) {
            mismatch.unexpected.push(format!("{name} {:?}", own.shape));
        }
    }
    mismatch
}

/// The error that lists all differences.
pub(super) fn refuse(mismatch: Mismatch, origin: &str, config: &ModelConfig) -> Result<()> {
    if mismatch.is_empty() {
        return Ok(());
    }
    Err(Error::Mismatch {
        origin: origin.to_string(),
        family: config.family(),
        mismatch: Box::new(mismatch),
    })
}

/// Looks for values that are no numbers, tensor by tensor.
#[derive(Default)]
pub(super) struct Finite {
    bad: Vec<String>,
}

impl Finite {
    /// Looks at one tensor of f32, f64 or a shorter type.
    pub fn look(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        let flat = tensor.detach().flatten_all()?;
        let (bad, all) = match flat.dtype() {
            DType::F64 => count(&flat.to_vec1::<f64>()?, |value| value.is_finite()),
            _ => count(&flat.to_dtype(DType::F32)?.to_vec1::<f32>()?, |value| {
                value.is_finite()
            }),
        };
        if bad > 0 {
            self.bad.push(format!("{name} ({bad} of {all})"));
        }
        Ok(())
    }

    /// The error, if any tensor was bad.
    pub fn check(self, origin: &str) -> Result<()> {
        if self.bad.is_empty() {
            return Ok(());
        }
        Err(Error::NotFinite {
            origin: origin.to_string(),
            tensors: self.bad,
        })
    }
}

/// How many values are bad, of how many.
fn count<T>(values: &[T], good: impl Fn(&T) -> bool) -> (usize, usize) {
    let bad = values.iter().filter(|value| !good(value)).count();
    (bad, values.len())
}
