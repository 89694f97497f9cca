//! Mean, standard deviation and range of a sample.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The usual summary of a sample, in the unit of the sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of values, at least one.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (divisor n - 1); none for a single value.
    pub sd: Option<f64>,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl Summary {
    /// Summarises `values`.
    ///
    /// # Errors
    /// [`Error::TooFew`] for an empty slice, [`Error::NotFinite`] for a NaN or
    /// an infinity.
    pub fn of(values: &[f64]) -> Result<Self> {
        let mean = mean(values)?;
        let sd = if values.len() < 2 {
            None
        } else {
            Some(standard_deviation(values)?)
        };
        Ok(Self {
            n: values.len(),
            mean,
            sd,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

/// Arithmetic mean.
///
/// # Errors
/// [`Error::TooFew`] for an empty slice, [`Error::NotFinite`] for a NaN or an
/// infinity among the values.
pub fn mean(values: &[f64]) -> Result<f64> {
    enough("a mean", values, 1)?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation, with the divisor n - 1, in two passes.
///
/// # Errors
/// [`Error::TooFew`] for fewer than two values, [`Error::NotFinite`] for a NaN
/// or an infinity among them.
pub fn standard_deviation(values: &[f64]) -> Result<f64> {
    enough("a standard deviation", values, 2)?;
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    Ok((squares / (values.len() - 1) as f64).sqrt())
}

/// At least `need` values, all finite.
pub(crate) fn enough(what: &'static str, values: &[f64], need: usize) -> Result<()> {
    if values.len() < need {
        return Err(Error::TooFew {
            what,
            got: values.len(),
            need,
        });
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NotFinite {
            what: format!("the sample of {what}"),
            index,
            value: values[index],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let s = Summary::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((s.n, s.mean, s.min, s.max), (8, 5.0, 2.0, 9.0));
        assert!((s.sd.unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn one_value_has_no_spread() {
        let s = Summary::of(&[3.0]).unwrap();
        assert_eq!((s.mean, s.sd), (3.0, None));
    }

    #[test]
    fn bad_samples_are_errors() {
        assert!(matches!(
            Summary::of(&[]),
            Err(Error::TooFew { got: 0, .. })
        ));
        assert!(matches!(
            standard_deviation(&[1.0]),
            Err(Error::TooFew { need: 2, .. })
        ));
        assert!(matches!(
            mean(&[1.0, f64::NAN]),
            Err(Error::NotFinite { index: 1, .. })
        ));
    }
}
