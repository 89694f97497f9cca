//! A loss's weight over the epochs of a run.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use spectralkd_base::inner_error::wrap;

use crate::Wrong;
use crate::json::{known_keys, read};

/// A loss's weight by epoch, counted from 0.
///
/// As a number, or as a table: `{ value = 0.2, on = 10, off = 50 }` or
/// `{ from = 1.0, to = 0.0, start = 0, end = 100 }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Schedule {
    /// The same in all epochs.
    Constant(f64),
    /// `value` in the epochs `on..off`, else 0.
    Window {
        /// The weight in the window.
        value: f64,
        /// The first epoch in the window.
        on: u64,
        /// The first epoch behind it; none: to the end.
        #[serde(skip_serializing_if = "Option::is_none")]
        off: Option<u64>,
    },
    /// `from` up to the epoch `start`, on a straight line to `to` in the epoch `end`, and that from
    /// there on.
    Linear {
        /// The first weight.
        from: f64,
        /// The last weight.
        to: f64,
        /// The last epoch of the first weight.
        start: u64,
        /// The first epoch of the last weight.
        end: u64,
    },
}

impl Default for Schedule {
    /// 1 in all epochs.
    fn default() -> Self {
        Self::Constant(1.0)
    }
}

impl From<f64> for Schedule {
    fn from(weight: f64) -> Self {
        Self::Constant(weight)
    }
}

impl Schedule {
    /// The weight in this epoch.
    pub fn at(&self, epoch: u64) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Window { value, on, off } => {
                let inside = epoch >= on && off.is_none_or(|off| epoch < off);
                if inside { value } else { 0.0 }
            }
            Self::Linear { from, start, .. } if epoch <= start => from,
            Self::Linear { to, end, .. } if epoch >= end => to,
            Self::Linear {
                from,
                to,
                start,
                end,
            } => {
                let share = (epoch - start) as f64 / (end - start) as f64;
                from + (to - from) * share
            }
        }
    }

    /// Weights must be finite and at least 0, `off` behind `on`, `end` behind `start`.
    ///
    /// # Errors
    /// The first key that is not as it must be (empty for a plain number).
    pub fn check(&self) -> Result<(), Wrong> {
        let weight = |key: &str, value: f64| {
            if value.is_finite() && value >= 0.0 {
                return Ok(());
            }
            let rule = format!("a weight must be finite and at least 0, got {value}");
            Err(Wrong::new(key, rule))
        };
        let behind = |key: &str, first: u64, second: u64| {
            if second > first {
                return Ok(());
            }
            let rule = format!("must be an epoch behind epoch {first}, got {second}");
            Err(Wrong::new(key, rule))
        };
        match *self {
            Self::Constant(value) => weight("", value),
            Self::Window { value, on, off } => {
                weight("value", value)?;
                off.map_or(Ok(()), |off| behind("off", on, off))
            }
            Self::Linear {
                from,
                to,
                start,
                end,
            } => {
                weight("from", from)?;
                weight("to", to)?;
                behind("end", start, end)
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    value: f64,
    #[serde(default)]
    on: u64,
    off: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Linear {
    from: f64,
    to: f64,
    #[serde(default)]
    start: u64,
    end: u64,
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |value: Value| -> Result<Self, String> {
            let Value::Object(table) = &value else {
                return value.as_f64().map(Self::Constant).ok_or_else(|| {
                    "write a number, { value = 0.2, on = 10, off = 50 } or \
                     { from = 1.0, to = 0.0, start = 0, end = 100 }"
                        .to_owned()
                });
            };
            let keys = ["value", "on", "off", "from", "to", "start", "end"];
            known_keys(table, &keys)?;
            let is_window = keys[..3].iter().any(|&key| table.contains_key(key));
            if is_window {
                let Window { value, on, off } = read(value)?;
                return Ok(Self::Window { value, on, off });
            }
            let Linear {
                from,
                to,
                start,
                end,
            } = read(value)?;
            Ok(Self::Linear {
                from,
                to,
                start,
                end,
            })
        };
        let schedule = parse(Value::deserialize(deserializer)?).map_err(D::Error::custom)?;
        let checked = schedule.check();
        checked.map_err(|wrong| D::Error::custom(wrap(&wrong.key, &wrong.rule)))?;
        Ok(schedule)
    }
}
