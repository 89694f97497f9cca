//! Axes: a name, a unit, a range found from the data, and the way to the page.

use super::Head;
use super::scale::Scale;
use super::ticks::{self, Tick};
use crate::error::{FigureProblem, Result};

/// An axis of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    label: String,
    unit: Option<String>,
    logarithmic: bool,
    whole: bool,
    cover: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis named `label`.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            unit: None,
            logarithmic: false,
            whole: false,
            cover: None,
        }
    }

    /// Names the unit, which stands in brackets behind the label.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// Makes the axis logarithmic; all values must be above zero.
    pub fn logarithmic(mut self) -> Self {
        self.logarithmic = true;
        self
    }

    /// Ticks at whole numbers only, for epochs and layers.
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Makes the axis run from `low` to `high` at least. Data beyond widens it:
    /// nothing is ever cut off.
    pub fn covering(mut self, low: f64, high: f64) -> Self {
        self.cover = Some((low, high));
        self
    }

    /// Makes the axis begin at zero at the latest.
    pub fn from_zero(self) -> Self {
        self.covering(0.0, 0.0)
    }

    /// Label and unit as they stand on the page.
    pub(crate) fn title(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{} ({unit})", self.label),
            None => self.label.clone(),
        }
    }

    /// The label as the name of a CSV column.
    pub(crate) fn column(&self) -> String {
        let mut name = String::new();
        for c in self.label.chars() {
            if c.is_alphanumeric() {
                name.extend(c.to_lowercase());
            } else if !name.ends_with('_') && !name.is_empty() {
                name.push('_');
            }
        }
        name.trim_end_matches('_').to_owned()
    }

    /// The ends of the axis for the given values: widened to ticks, or exactly
    /// the values' ends when `snug`.
    pub(crate) fn limits(
        &self,
        head: &Head,
        values: impl IntoIterator<Item = f64>,
        snug: bool,
    ) -> Result<(f64, f64)> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        let cover = self.cover.map(|(low, high)| [low, high]);
        for value in values.into_iter().chain(cover.into_iter().flatten()) {
            if self.logarithmic && value <= 0.0 {
                return head.fail(FigureProblem::NotPositive {
                    name: self.label.clone(),
                    value,
                });
            }
            // `min` and `max` would let a NaN in the range asked for vanish.
            if !value.is_finite() {
                return head.fail(FigureProblem::NotFinite {
                    name: self.label.clone(),
                    index: 0,
                    value,
                });
            }
            (low, high) = (low.min(value), high.max(value));
        }
        if !low.is_finite() || !high.is_finite() || !(high - low).is_finite() {
            return head.fail(FigureProblem::Range {
                name: self.label.clone(),
                low,
                high,
            });
        }
        if self.logarithmic {
            return Ok(log_limits(low, high));
        }
        // Nothing, or nothing but rounding, between the ends: make room.
        let size = low.abs().max(high.abs());
        // Beyond the powers of ten that a step can be made of, it is all zero.
        let size = if size < 1e-290 { 0.0 } else { size };
        if size == 0.0 || high - low <= 1e-9 * size || high == low {
            let room = match (self.whole, size) {
                (true, _) => 1.0,
                (_, 0.0) => 1.0,
                _ => 0.1 * size,
            };
            (low, high) = (low - room, high + room);
        }
        if snug {
            return Ok((low, high));
        }
        Ok(ticks::widen(low, high, 5, self.whole))
    }

    /// Ticks between the ends, at most `most + 1`.
    pub(crate) fn ticks(&self, (low, high): (f64, f64), most: usize) -> Vec<Tick> {
        if self.logarithmic {
            ticks::logarithmic(low, high, most)
        } else {
            ticks::linear(low, high, most, self.whole)
        }
    }

    /// The way from values between `ends` to coordinates between `to`.
    pub(crate) fn scale(&self, ends: (f64, f64), to: (f64, f64)) -> Scale {
        Scale::new(self.logarithmic, ends, to)
    }
}

/// Ends of a logarithmic axis: outwards to 1, 2 or 5 times a power of ten.
fn log_limits(low: f64, high: f64) -> (f64, f64) {
    let power = |v: f64| 10f64.powf(v.log10().floor());
    let down = |v: f64| {
        let p = power(v);
        let steps = [5.0 * p, 2.0 * p, p];
        steps
            .into_iter()
            .find(|s| *s <= v * (1.0 + 1e-9))
            .unwrap_or(p)
    };
    let up = |v: f64| {
        let p = power(v);
        let steps = [p, 2.0 * p, 5.0 * p];
        steps
            .into_iter()
            .find(|s| *s >= v * (1.0 - 1e-9))
            .unwrap_or(10.0 * p)
    };
    let (down, up) = (down(low), up(high));
    if down < up {
        (down, up)
    } else {
        (down / 2.0, up * 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(axis: &Axis, values: &[f64]) -> Result<(f64, f64)> {
        axis.limits(&Head::new("x", "x"), values.iter().copied(), false)
    }

    #[test]
    fn names() {
        let axis = Axis::new("Top-1 accuracy").unit("%");
        assert_eq!(axis.title(), "Top-1 accuracy (%)");
        assert_eq!(axis.column(), "top_1_accuracy");
        assert_eq!(Axis::new("layer").title(), "layer");
    }

    #[test]
    fn limits_hold_the_data() {
        let axis = Axis::new("a");
        assert_eq!(limits(&axis, &[41.7, 82.0]).unwrap(), (40.0, 90.0));
        assert_eq!(
            limits(&axis.clone().from_zero(), &[0.3, 0.9]).unwrap(),
            (0.0, 1.0)
        );
        assert_eq!(
            limits(&axis.clone().covering(0.0, 0.5), &[0.3, 0.9]).unwrap(),
            (0.0, 1.0)
        );
        assert_eq!(limits(&axis, &[0.0]).unwrap(), (-1.0, 1.0));
        let (low, high) = limits(&axis, &[5.0, 5.0]).unwrap();
        assert!(low < 5.0 && high > 5.0 && high - low <= 2.0);
        let log = Axis::new("l").logarithmic();
        assert_eq!(limits(&log, &[0.013, 30.0]).unwrap(), (0.01, 50.0));
        let (low, high) = limits(&log, &[1.0]).unwrap();
        assert!(low < 1.0 && high > 1.0);
    }

    #[test]
    fn impossible_ranges_are_errors() {
        let axis = Axis::new("a");
        assert!(limits(&axis, &[]).is_err());
        assert!(limits(&axis, &[f64::MAX, -f64::MAX]).is_err());
        assert!(limits(&axis.clone().covering(f64::NAN, 1.0), &[0.0, 1.0]).is_err());
        assert!(limits(&axis.logarithmic(), &[0.0, 1.0]).is_err());
    }
}
