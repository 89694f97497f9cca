//! A verdict on a claim whose effect size was fixed before the run.

use serde::{Deserialize, Serialize};

use super::interval::{Interval, differences, t_interval};
use super::summary::{enough, mean};
use crate::error::{Error, Result};
use crate::format::{number, signed};

/// What a run says about the claim "the difference is at least the effect".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The whole interval lies above the effect.
    Supported,
    /// The whole interval lies below the effect.
    Refuted,
    /// The interval holds the effect, or there is no interval.
    Undecided,
}

impl Verdict {
    /// Judges the claim "the difference is at least `effect`" by `interval`:
    /// supported when its lower end is above the effect, refuted when its
    /// upper end is below, else undecided. An end exactly on the effect
    /// decides nothing.
    pub fn of(interval: &Interval, effect: f64) -> Self {
        if interval.low > effect {
            Self::Supported
        } else if interval.high < effect {
            Self::Refuted
        } else {
            Self::Undecided
        }
    }

    /// The verdict as a word: `supported`, `refuted` or `undecided`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Refuted => "refuted",
            Self::Undecided => "undecided",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// Paired differences, their interval, and the verdict that follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    differences: Vec<f64>,
    interval: Option<Interval>,
    effect: f64,
    confidence: f64,
    verdict: Verdict,
}

impl Judgement {
    /// Judges "`a` is better than `b` by at least `effect`" from values that
    /// are paired by seed, all in one unit. A single pair gives no interval
    /// and is undecided.
    ///
    /// # Errors
    /// [`Error::Lengths`] when the sides differ in length, else as
    /// [`Judgement::of_differences`].
    pub fn paired(a: &[f64], b: &[f64], effect: f64, confidence: f64) -> Result<Self> {
        Self::of_differences(differences(a, b)?, effect, confidence)
    }

    /// Judges differences that are already taken, one per seed.
    ///
    /// # Errors
    /// [`Error::TooFew`] when there is none, [`Error::NotFinite`] for a NaN or
    /// an infinity among them, [`Error::OutOfRange`] for an effect that is not
    /// finite or a confidence that does not lie strictly between 0 and 1.
    pub fn of_differences(differences: Vec<f64>, effect: f64, confidence: f64) -> Result<Self> {
        enough("a verdict", &differences, 1)?;
        if !effect.is_finite() {
            return Err(Error::OutOfRange {
                what: "an effect size",
                range: "the finite numbers",
                value: effect,
            });
        }
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(Error::OutOfRange {
                what: "a confidence level",
                range: "more than 0 and less than 1",
                value: confidence,
            });
        }
        let interval = if differences.len() < 2 {
            None
        } else {
            Some(t_interval(&differences, confidence)?)
        };
        let verdict = interval
            .as_ref()
            .map_or(Verdict::Undecided, |i| Verdict::of(i, effect));
        Ok(Self {
            differences,
            interval,
            effect,
            confidence,
            verdict,
        })
    }

    /// The differences, one per seed.
    pub fn differences(&self) -> &[f64] {
        &self.differences
    }

    /// The mean difference.
    pub fn estimate(&self) -> f64 {
        match &self.interval {
            Some(interval) => interval.estimate,
            None => mean(&self.differences).unwrap_or(f64::NAN),
        }
    }

    /// The confidence interval of the mean difference; none for one seed.
    pub fn interval(&self) -> Option<&Interval> {
        self.interval.as_ref()
    }

    /// The effect size that was fixed beforehand.
    pub fn effect(&self) -> f64 {
        self.effect
    }

    /// The confidence level, between 0 and 1.
    pub fn confidence(&self) -> f64 {
        self.confidence
    }

    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The verdict in words, with its numbers: what `subject` gains over
    /// `baseline`, in `unit` (such as "percentage points").
    pub fn sentence(&self, subject: &str, baseline: &str, unit: &str) -> String {
        let estimate = signed(self.estimate(), 2);
        let effect = format!("the {} {unit} fixed beforehand", number(self.effect, 2));
        let Some(interval) = &self.interval else {
            return format!(
                "Undecided: with the only seed, {subject} differs from {baseline} by {estimate} \
                 {unit}. One seed gives no interval, so this run can say nothing about {effect}."
            );
        };
        let percent = crate::format::trimmed(100.0 * self.confidence, 4);
        let facts = format!(
            "{subject} differs from {baseline} by {estimate} {unit} ({percent} % interval {} to \
             {}, {} paired seeds)",
            signed(interval.low, 2),
            signed(interval.high, 2),
            interval.n,
        );
        let words = match self.verdict {
            Verdict::Supported => {
                format!("Supported: {facts}. The whole interval lies above {effect}.")
            }
            Verdict::Refuted => {
                format!("Refuted: {facts}. The whole interval lies below {effect}.")
            }
            Verdict::Undecided => format!(
                "Undecided: {facts}. The interval holds {effect}, so this run neither supports \
                 nor refutes the claim."
            ),
        };
        if interval.low == interval.high {
            return format!(
                "{words} All differences are equal, so the interval has no width: check that the \
                 seeds differ before believing it."
            );
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, high: f64) -> Interval {
        Interval {
            estimate: 0.5 * (low + high),
            low,
            high,
            confidence: 0.95,
            n: 3,
        }
    }

    #[test]
    fn the_interval_must_clear_the_effect() {
        assert_eq!(Verdict::of(&interval(0.6, 1.0), 0.5), Verdict::Supported);
        assert_eq!(Verdict::of(&interval(-0.2, 0.4), 0.5), Verdict::Refuted);
        assert_eq!(Verdict::of(&interval(0.1, 1.0), 0.5), Verdict::Undecided);
        assert_eq!(Verdict::of(&interval(0.5, 1.0), 0.5), Verdict::Undecided);
        assert_eq!(Verdict::of(&interval(0.0, 0.5), 0.5), Verdict::Undecided);
    }

    #[test]
    fn sentences_carry_the_numbers() {
        let words = |differences: &[f64]| {
            Judgement::of_differences(differences.to_vec(), 0.5, 0.95)
                .unwrap()
                .sentence("logits + spectral", "logits only", "percentage points")
        };
        assert_eq!(
            words(&[1.0, 1.1, 1.2]),
            "Supported: logits + spectral differs from logits only by +1.10 percentage points \
             (95 % interval +0.85 to +1.35, 3 paired seeds). The whole interval lies above the \
             0.50 percentage points fixed beforehand."
        );
        assert!(words(&[-0.1, 0.0, 0.1]).starts_with("Refuted: "));
        assert!(words(&[-0.1, 0.0, 0.1]).contains("interval −0.25 to +0.25"));
        assert!(words(&[0.0, 1.0]).starts_with("Undecided: "));
        assert!(words(&[0.0, 1.0]).contains("neither supports nor refutes"));
        assert!(words(&[0.7]).contains("by +0.70 percentage points. One seed gives no interval"));
        assert!(words(&[0.0, 0.0]).contains("All differences are equal"));
    }

    #[test]
    fn one_seed_is_undecided() {
        let judged = Judgement::paired(&[90.0], &[10.0], 0.5, 0.95).unwrap();
        assert_eq!(judged.verdict(), Verdict::Undecided);
        assert_eq!(judged.interval(), None);
        assert_eq!(judged.estimate(), 80.0);
    }

    #[test]
    fn bad_arguments_are_errors() {
        let of = Judgement::of_differences;
        assert!(matches!(of(vec![], 0.5, 0.95), Err(Error::TooFew { .. })));
        assert!(matches!(
            of(vec![f64::NAN], 0.5, 0.95),
            Err(Error::NotFinite { .. })
        ));
        assert!(matches!(
            of(vec![1.0], f64::NAN, 0.95),
            Err(Error::OutOfRange { .. })
        ));
        assert!(matches!(
            of(vec![1.0], 0.5, 0.0),
            Err(Error::OutOfRange { .. })
        ));
        assert!(matches!(
            Judgement::paired(&[1.0], &[], 0.5, 0.95),
            Err(Error::Lengths { .. })
        ));
    }
}
