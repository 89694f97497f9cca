//! Which layer of the student learns from which layer of its teacher.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use spectralkd_base::inner_error::wrap;

use crate::json::{known_keys, read};
use crate::{Strategy, Wrong};

/// The pairs of layers of a feature loss: a list of `[student block, teacher block]`, a table
/// `{ strategy = "paper", count = 8 }`, or absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Pairs {
    /// (student block, teacher block), counted from 0.
    Listed(Vec<(usize, usize)>),
    /// To be chosen by a rule, some of which have to measure both models: whoever has done so puts
    /// the list in its place before the loss is built.
    Chosen {
        /// The rule.
        strategy: Strategy,
        /// How many pairs.
        count: usize,
    },
    /// Those of the experiment, to be put here before the loss is built. Absent in a file.
    #[default]
    Shared,
}

impl Pairs {
    /// Whether these are the experiment's.
    pub fn is_shared(&self) -> bool {
        *self == Self::Shared
    }

    /// The list.
    ///
    /// # Errors
    /// If it is still to be chosen, or left to the experiment.
    pub fn listed(&self) -> Result<&[(usize, usize)], Wrong> {
        let rule = match self {
            Self::Listed(list) => return Ok(list),
            Self::Chosen { strategy, count } => format!(
                "{count} pairs are still to be chosen by the strategy `{}`",
                strategy.name()
            ),
            Self::Shared => "give the pairs of layers, here or for the experiment".to_owned(),
        };
        Err(Wrong::new("pairs", rule))
    }

    /// There must be at least one pair.
    ///
    /// # Errors
    /// If there is none.
    pub fn check(&self) -> Result<(), Wrong> {
        match self {
            Self::Listed(list) if list.is_empty() => Err(Wrong::new(
                "pairs",
                "give at least one [student block, teacher block]",
            )),
            Self::Chosen { count: 0, .. } => {
                Err(Wrong::new("pairs.count", "must be at least 1, got 0"))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    strategy: Strategy,
    count: usize,
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let parsed = match value {
            Value::Array(list) => list
                .into_iter()
                .enumerate()
                .map(|(i, pair)| {
                    let message = format!("{pair} is no pair [student block, teacher block]");
                    read(pair).map_err(|_| wrap(&i.to_string(), &message))
                })
                .collect::<Result<_, String>>()
                .map(Self::Listed),
            Value::Object(table) => known_keys(&table, &["strategy", "count"])
                .and_then(|()| read(Value::Object(table)))
                .map(|Chosen { strategy, count }| Self::Chosen { strategy, count }),
            _ => Err("write a list of [student block, teacher block], or \
                 { strategy = \"paper\", count = 8 }"
                .to_owned()),
        };
        parsed.map_err(D::Error::custom)
    }
}
