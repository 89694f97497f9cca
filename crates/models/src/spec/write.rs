//! A [`ModelSpec`] into a file, so that it is read as the same.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{Architecture, ModelSpec};

impl Serialize for ModelSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = self.own();
        match (&self.architecture, self.full_name()) {
            (Architecture::Written(config), _) => {
                // A configuration of numbers and lists always becomes a map.
                let sizes = serde_json::to_value(config).unwrap_or_default();
                let mut sizes: Map<String, Value> = sizes.as_object().cloned().unwrap_or_default();
                for (key, value) in own {
                    match value {
                        Some(value) => sizes.insert(key.into(), value),
                        None => sizes.remove(key),
                    };
                }
                sizes.serialize(serializer)
            }
            (_, name) => {
                let changes = own
                    .into_iter()
                    .filter_map(|(key, value)| Some((key, value?)));
                let changes: Vec<_> = changes.collect();
                if changes.is_empty() {
                    return name.serialize(serializer);
                }
                let name = ("name", json!(name));
                serializer.collect_map([name].into_iter().chain(changes))
            }
        }
    }
}

impl ModelSpec {
    /// The keys that all tables have, with what is written.
    fn own(&self) -> [(&'static str, Option<Value>); 5] {
        [
            ("weights", self.weights.as_ref().map(|value| json!(value))),
            ("img_size", self.img_size.map(|value| json!(value))),
            ("num_classes", self.num_classes.map(|value| json!(value))),
            ("in_chans", self.in_chans.map(|value| json!(value))),
            ("drop_path", self.drop_path.map(|value| json!(value))),
        ]
    }
}
