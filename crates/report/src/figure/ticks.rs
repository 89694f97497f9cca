//! Round numbers along an axis, and their labels.

use crate::format::{number, superscript, trimmed};

/// A tick: its value and what stands beside it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

/// The step between ticks: a mantissa of 1, 2, 2.5 or 5 and a power of ten.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    mantissa: f64,
    exponent: i32,
}

impl Step {
    /// The smallest step that divides `span` into at most `most` pieces.
    fn new(span: f64, most: usize, whole: bool) -> Self {
        let raw = span / most.max(1) as f64;
        let mut exponent = raw.log10().floor() as i32;
        if whole && exponent < 0 {
            return Self {
                mantissa: 1.0,
                exponent: 0,
            };
        }
        let scaled = raw / 10f64.powi(exponent);
        // 2.5 is no whole number of units at exponent 0.
        let halves = !(whole && exponent == 0);
        let mantissa = [1.0, 2.0, 2.5, 5.0]
            .into_iter()
            .filter(|&m| halves || m != 2.5)
            .find(|m| scaled <= m * (1.0 + 1e-9));
        let mantissa = mantissa.unwrap_or_else(|| {
            exponent += 1;
            1.0
        });
        Self { mantissa, exponent }
    }

    fn size(self) -> f64 {
        self.times(1.0)
    }

    /// `n` steps, by a division where that keeps 0.3 from becoming 0.30000000000000004.
    fn times(self, n: f64) -> f64 {
        if self.exponent < 0 {
            n * self.mantissa / 10f64.powi(-self.exponent)
        } else {
            n * self.mantissa * 10f64.powi(self.exponent)
        }
    }

    /// Decimals that every multiple of the step needs.
    fn decimals(self) -> usize {
        let extra = i32::from(self.mantissa == 2.5);
        (extra - self.exponent).max(0) as usize
    }
}

/// `low` and `high` moved outwards to multiples of a round step.
pub(crate) fn widen(low: f64, high: f64, most: usize, whole: bool) -> (f64, f64) {
    let step = Step::new(high - low, most, whole);
    let down = (low / step.size() + 1e-9).floor();
    let up = (high / step.size() - 1e-9).ceil();
    (step.times(down), step.times(up))
}

/// Round values within `low ..= high`, at most `most + 1` of them.
pub(crate) fn linear(low: f64, high: f64, most: usize, whole: bool) -> Vec<Tick> {
    let step = Step::new(high - low, most, whole);
    let first = (low / step.size() - 1e-9).ceil();
    let last = (high / step.size() + 1e-9).floor();
    let count = (last - first + 1.0).clamp(0.0, most as f64 + 1.0) as usize;
    let largest = low.abs().max(high.abs());
    (0..count)
        .map(|i| {
            let value = step.times(first + i as f64);
            let label = if step.size() < 0.9e-4 || largest >= 1e6 {
                power_label(value, step)
            } else {
                number(value, step.decimals())
            };
            Tick { value, label }
        })
        .collect()
}

/// The label of a very small or very large value: a mantissa times a power.
fn power_label(value: f64, step: Step) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let exponent = value.abs().log10().floor() as i32;
    let decimals = (exponent + step.decimals() as i32).max(0) as usize;
    let decimals = if step.exponent >= 0 {
        (exponent - step.exponent + i32::from(step.mantissa == 2.5)).max(0) as usize
    } else {
        decimals
    };
    let mantissa = trimmed(value / 10f64.powi(exponent), decimals.min(6));
    format!("{mantissa}×10{}", superscript(exponent))
}

/// Ticks of a logarithmic axis within `low ..= high`, both above zero: powers
/// of ten, with 2 and 5 between them when the axis spans few decades, and
/// every second, third... power when it spans many.
pub(crate) fn logarithmic(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let inside = |v: f64| v >= low * (1.0 - 1e-9) && v <= high * (1.0 + 1e-9);
    let decades = (first..=last).filter(|&e| inside(10f64.powi(e))).count();
    let mantissas: &[f64] = if decades <= 1 {
        &[1.0, 2.0, 3.0, 5.0, 7.0]
    } else if 3 * decades <= most + 1 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let every = decades.div_ceil(most.max(1)).max(1) as i32;
    let mut ticks = Vec::new();
    for exponent in (first..=last).filter(|e| e.rem_euclid(every) == 0) {
        for &mantissa in mantissas {
            // A parsed literal is the nearest double, as in the labels' text.
            let value: f64 = format!("{mantissa}e{exponent}").parse().unwrap_or(f64::NAN);
            if inside(value) {
                let label = log_label(mantissa, exponent);
                ticks.push(Tick { value, label });
            }
        }
    }
    ticks
}

fn log_label(mantissa: f64, exponent: i32) -> String {
    match exponent {
        0..=3 => number(mantissa * 10f64.powi(exponent), 0),
        -3..=-1 => number(mantissa / 10f64.powi(-exponent), -exponent as usize),
        _ if mantissa == 1.0 => format!("10{}", superscript(exponent)),
        _ => format!("{mantissa}×10{}", superscript(exponent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            labels(&linear(0.0, 1.0, 5, false)),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(&linear(40.0, 82.0, 5, false)),
            ["40", "50", "60", "70", "80"]
        );
        assert_eq!(
            labels(&linear(-0.5, 0.5, 4, false)),
            ["−0.50", "−0.25", "0.00", "0.25", "0.50"]
        );
        assert_eq!(
            labels(&linear(1.0, 8.0, 8, true)),
            ["1", "2", "3", "4", "5", "6", "7", "8"]
        );
        assert_eq!(labels(&linear(0.0, 3.0, 8, true)), ["0", "1", "2", "3"]);
        assert_eq!(labels(&linear(0.0, 9.0, 4, true)), ["0", "5"]);
        assert_eq!(
            labels(&linear(0.0, 4e-6, 4, false)),
            ["0", "1×10⁻⁶", "2×10⁻⁶", "3×10⁻⁶", "4×10⁻⁶"]
        );
        assert_eq!(
            labels(&linear(0.0, 2e6, 4, false)),
            ["0", "5×10⁵", "1×10⁶", "1.5×10⁶", "2×10⁶"]
        );
    }

    #[test]
    fn values_carry_no_rounding_dust() {
        let values: Vec<f64> = linear(0.0, 0.5, 5, false).iter().map(|t| t.value).collect();
        assert_eq!(values, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
    }

    #[test]
    fn decades() {
        assert_eq!(
            labels(&logarithmic(1e-5, 10.0, 8)),
            ["10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "1", "10"]
        );
        assert_eq!(
            labels(&logarithmic(0.5, 20.0, 6)),
            ["0.5", "1", "2", "5", "10", "20"]
        );
        assert_eq!(labels(&logarithmic(2.0, 8.0, 6)), ["2", "3", "5", "7"]);
        assert_eq!(
            labels(&logarithmic(1e-12, 1e4, 5)),
            ["10⁻¹²", "10⁻⁸", "10⁻⁴", "1", "10⁴"]
        );
    }

    #[test]
    fn widening_ends_on_ticks() {
        assert_eq!(widen(41.7, 82.0, 5, false), (40.0, 90.0));
        assert_eq!(widen(0.0, 1.0, 5, false), (0.0, 1.0));
        assert_eq!(widen(-0.13, 0.9, 5, false), (-0.25, 1.0));
    }

    proptest! {
        #[test]
        fn ticks_lie_inside_and_are_few(
            low in -1e5..1e5f64, span in 1e-7..1e5f64, most in 2usize..12, whole: bool,
        ) {
            let ticks = linear(low, low + span, most, whole);
            prop_assert!(ticks.len() <= most + 1);
            let slack = 1e-6 * span;
            for t in &ticks {
                prop_assert!(t.value >= low - slack && t.value <= low + span + slack);
                prop_assert!(!whole || t.value.fract() == 0.0);
            }
            if !whole && span > 1e-9 * low.abs() {
                prop_assert!(!ticks.is_empty());
            }
            let (down, up) = widen(low, low + span, most, whole);
            prop_assert!(down <= low + slack && up >= low + span - slack);
        }
    }
}
