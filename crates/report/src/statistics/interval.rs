//! Student-t confidence intervals of a mean and of a paired difference.

use serde::{Deserialize, Serialize};

use super::student_t::quantile;
use super::summary::{enough, mean, standard_deviation};
use crate::error::{Error, Result};

/// A two-sided confidence interval of a mean, in the unit of the sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The sample mean, the middle of the interval.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence level, between 0 and 1; 0.95 for a 95 % interval.
    pub confidence: f64,
    /// Number of values (of pairs, for a paired difference), at least two.
    pub n: usize,
}

/// The interval mean ± t(n - 1) · sd / √n.
///
/// A sample without any spread gives an interval without width: that is what
/// the formula says, and [`Judgement::sentence`](super::Judgement::sentence)
/// points it out.
///
/// # Errors
/// [`Error::TooFew`] for fewer than two values (one value gives no interval),
/// [`Error::NotFinite`] for a NaN or an infinity, [`Error::OutOfRange`] for a
/// confidence that does not lie strictly between 0 and 1.
pub fn t_interval(values: &[f64], confidence: f64) -> Result<Interval> {
    enough("a confidence interval", values, 2)?;
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(Error::OutOfRange {
            what: "a confidence level",
            range: "more than 0 and less than 1",
            value: confidence,
        });
    }
    let n = values.len();
    let estimate = mean(values)?;
    let t = quantile(0.5 + 0.5 * confidence, (n - 1) as f64)?;
    let half = t * standard_deviation(values)? / (n as f64).sqrt();
    Ok(Interval {
        estimate,
        low: estimate - half,
        high: estimate + half,
        confidence,
        n,
    })
}

/// `a[i] - b[i]`; value i of both sides belongs to one seed.
///
/// # Errors
/// [`Error::Lengths`] when the sides differ in length.
pub(super) fn differences(a: &[f64], b: &[f64]) -> Result<Vec<f64>> {
    if a.len() != b.len() {
        return Err(Error::Lengths {
            left: "the first side of a paired difference".into(),
            left_len: a.len(),
            right: "the second".into(),
            right_len: b.len(),
        });
    }
    Ok(a.iter().zip(b).map(|(a, b)| a - b).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::student_t_values::INTERVAL;

    #[test]
    fn agrees_with_mpmath() {
        let i = t_interval(&[5.1, 4.9, 5.6, 5.8, 6.0], 0.95).unwrap();
        assert!((i.estimate - 5.48).abs() < 1e-12);
        assert!((i.low - INTERVAL.0).abs() < 1e-9, "{}", i.low);
        assert!((i.high - INTERVAL.1).abs() < 1e-9, "{}", i.high);
        assert_eq!((i.n, i.confidence), (5, 0.95));
    }

    #[test]
    fn pairs_cancel_what_the_seeds_share() {
        let a = [80.0, 70.0, 90.0];
        let b = [79.0, 69.1, 88.9];
        let i = t_interval(&differences(&a, &b).unwrap(), 0.95).unwrap();
        assert!((i.estimate - 1.0).abs() < 1e-12);
        // t(2) = 4.302652729749462, sd of (1.0, 0.9, 1.1) = 0.1
        let half = 4.302_652_729_749_462 * 0.1 / 3f64.sqrt();
        assert!((0.5 * (i.high - i.low) - half).abs() < 1e-9);
    }

    #[test]
    fn bad_samples_are_errors() {
        assert!(matches!(
            t_interval(&[1.0], 0.95),
            Err(Error::TooFew {
                need: 2,
                got: 1,
                ..
            })
        ));
        assert!(matches!(
            t_interval(&[1.0, 2.0], 1.0),
            Err(Error::OutOfRange { .. })
        ));
        assert!(matches!(
            differences(&[1.0, 2.0], &[1.0]),
            Err(Error::Lengths { .. })
        ));
        assert!(matches!(
            t_interval(&[1.0, f64::INFINITY], 0.95),
            Err(Error::NotFinite { index: 1, .. })
        ));
    }
}
