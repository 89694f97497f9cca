//! One entry of a list of losses, as it stands in a file.

use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};
use spectralkd_base::inner_error::wrap;

use crate::json::{known_keys, read};
use crate::kinds::Spec;
use crate::{Pairs, Schedule, Wrong};

/// A loss of a student's training: its kind with that kind's keys, its weight, its name.
///
/// In a file it is one table: `{ kind = "kl", weight = 0.9, tau = 1.0 }`. What is read is checked
/// ([`Self::check`]). An error says where inside the table it belongs
/// ([`spectralkd_base::inner_error`]); a key or a kind that there is not is reported in serde's words,
/// with all that there are.
///
/// ```
/// use spectralkd_base::inner_error::split;
/// use spectralkd_losses::Loss;
///
/// let loss: Loss = serde_json::from_str(r#"{ "kind": "kl", "weight": 0.9, "tau": 2.0 }"#).unwrap();
/// assert_eq!((loss.name(), loss.weight.at(0)), ("kl", 0.9));
///
/// let wrong = r#"{ "kind": "spectral", "weight": { "value": 0.2, "until": 3 } }"#;
/// let error = serde_json::from_str::<Loss>(wrong).unwrap_err().to_string();
/// let (path, message) = split(&error);
/// assert_eq!(path, "weight.until");
/// assert!(message.starts_with("unknown field `until`, expected one of `value`, `on`, `off`"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// What it is called in logs, tables and the paths of its parameters; none: as its kind.
    pub name: Option<String>,
    /// Its weight in the sum.
    pub weight: Schedule,
    /// Its kind, with that kind's keys.
    pub spec: Spec,
}

impl Loss {
    /// The keys of every loss, besides those of its kind.
    pub const KEYS: [&'static str; 3] = ["kind", "name", "weight"];

    /// A loss of this kind with a weight, called as its kind.
    pub fn new(spec: impl Into<Spec>, weight: impl Into<Schedule>) -> Self {
        Self {
            name: None,
            weight: weight.into(),
            spec: spec.into(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.spec.kind())
    }

    /// Whether it needs a teacher.
    pub fn uses_teacher(&self) -> bool {
        self.spec.uses_teacher()
    }

    /// Its pairs of layers, where it compares features.
    pub fn pairs(&self) -> Option<&Pairs> {
        self.spec.pairs()
    }

    /// The same, to be filled in.
    pub fn pairs_mut(&mut self) -> Option<&mut Pairs> {
        self.spec.pairs_mut()
    }

    /// Checks name, weight and the kind's keys.
    ///
    /// # Errors
    /// The first key that is not as it must be.
    pub fn check(&self) -> Result<(), Wrong> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name().is_empty() || !self.name().chars().all(is_plain) {
            let rule = format!(
                "must be made of letters, digits, `-` and `_`, got `{}`",
                self.name()
            );
            return Err(Wrong::new("name", rule));
        }
        let weight = self.weight.check();
        weight.map_err(|wrong| {
            let dot = if wrong.key.is_empty() { "" } else { "." };
            Wrong::new(&format!("weight{dot}{}", wrong.key), wrong.rule)
        })?;
        self.spec.check()
    }

    fn read(mut table: Map<String, Value>) -> Result<Self, String> {
        let kind = table.remove("kind");
        let kind = kind.ok_or_else(|| "missing field `kind`".to_owned())?;
        let kind: String = read(kind).map_err(|message| wrap("kind", &message))?;
        if let Some(keys) = Spec::keys(&kind) {
            let common = Self::KEYS.map(str::to_owned);
            known_keys(&table, &[&common[..], &keys].concat())?;
        }
        let name = table.remove("name").map(read).transpose();
        let name = name.map_err(|message| wrap("name", &message))?;
        let weight = table.remove("weight").map(read).transpose();
        let weight: Option<Schedule> = weight.map_err(|message| wrap("weight", &message))?;
        let loss = Self {
            name,
            weight: weight.unwrap_or_default(),
            spec: Spec::read(&kind, table)?,
        };
        let checked = loss.check();
        checked.map_err(|wrong| wrap(&wrong.key, &wrong.rule))?;
        Ok(loss)
    }
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Map::deserialize(deserializer)?;
        Self::read(table).map_err(de::Error::custom)
    }
}

impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = self.spec.inner().table().map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", self.spec.kind())?;
        if let Some(name) = &self.name {
            map.serialize_entry("name", name)?;
        }
        map.serialize_entry("weight", &self.weight)?;
        for (key, value) in table.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
