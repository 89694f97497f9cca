//! A [`ModelSpec`] from a file.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use spectralkd_base::inner_error;

use super::{Architecture, ModelSpec, NO_DROP_PATH};
use crate::ModelConfig;

impl<'de> Deserialize<'de> for ModelSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = ModelSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a model's name, or a table with `name`, or with `family` and all sizes")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<ModelSpec, E> {
        ModelSpec::named(name).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ModelSpec, A::Error> {
        let table = Map::deserialize(MapAccessDeserializer::new(map))?;
        from_table(table).map_err(|Wrong { key, message }| {
            A::Error::custom(match key.as_str() {
                "" => message,
                key => inner_error::wrap(key, &message),
            })
        })
    }
}

/// What is wrong with a table, and with which key of it; empty for the table itself.
struct Wrong {
    key: String,
    message: String,
}

fn wrong(key: impl Into<String>, message: impl ToString) -> Wrong {
    Wrong {
        key: key.into(),
        message: message.to_string(),
    }
}

fn from_table(mut table: Map<String, Value>) -> Result<ModelSpec, Wrong> {
    let sizes = [
        take(&mut table, "num_classes")?,
        take(&mut table, "in_chans")?,
    ];
    let img_size = img_size(&mut table)?;
    let drop_path = take(&mut table, "drop_path")?;
    let weights = take(&mut table, "weights")?;
    let spec = match (take::<String>(&mut table, "name")?, table.remove("family")) {
        (Some(name), None) => named(&name, table)?,
        (None, Some(family)) => written(&family, table)?,
        (Some(_), Some(_)) => {
            let message = "a model has a `name`, or a `family` and all sizes: not both";
            return Err(wrong("family", message));
        }
        (None, None) => {
            let message = "a model needs a `name` of the registry, or a `family` and all sizes";
            return Err(wrong("", message));
        }
    };
    let [num_classes, in_chans] = sizes;
    Ok(ModelSpec {
        img_size,
        num_classes,
        in_chans,
        drop_path,
        weights,
        ..spec
    })
}

/// The value of a key, which is taken out of the table.
fn take<T: DeserializeOwned>(
    table: &mut Map<String, Value>,
    key: &str,
) -> Result<Option<T>, Wrong> {
    let value = table.remove(key).map(serde_json::from_value);
    value.transpose().map_err(|error| wrong(key, error))
}

/// [height, width] of a pair, or of the side of a square.
fn img_size(table: &mut Map<String, Value>) -> Result<Option<[usize; 2]>, Wrong> {
    if let Some(side) = table.get_mut("img_size").filter(|value| value.is_number()) {
        *side = json!([*side, *side]);
    }
    take(table, "img_size").map_err(|Wrong { key, message }| {
        let message = format!("pixels, one number or [height, width]: {message}");
        Wrong { key, message }
    })
}

/// A name of the registry, and perhaps a tag.
fn named(name: &str, mut table: Map<String, Value>) -> Result<ModelSpec, Wrong> {
    let mut spec = ModelSpec::named(name).map_err(|error| wrong("name", error))?;
    if let Some(tag) = take::<String>(&mut table, "tag")? {
        if name.contains('.') {
            return Err(wrong("tag", format!("the name `{name}` has a tag already")));
        }
        spec = ModelSpec::named(&format!("{name}.{tag}")).map_err(|error| wrong("tag", error))?;
    }
    match table.into_iter().next() {
        None => Ok(spec),
        Some((key, _)) => Err(wrong(&key, unknown(&key, &spec))),
    }
}

/// What is said to a key that a named model does not have.
fn unknown(key: &str, spec: &ModelSpec) -> String {
    let sizes = spec.entry().map(|entry| serde_json::to_value(entry.config));
    let is_size = matches!(sizes, Some(Ok(sizes)) if sizes.get(key).is_some());
    if is_size {
        return format!(
            "`{key}` is one of the sizes that the name stands for: for another, write a `family` and all sizes"
        );
    }
    let keys = ModelSpec::KEYS_BY_NAME.map(|key| format!("`{key}`"));
    format!("unknown field `{key}`, expected one of {}", keys.join(", "))
}

/// A family and its sizes.
fn written(family: &Value, mut table: Map<String, Value>) -> Result<ModelSpec, Wrong> {
    for (key, filler) in [
        ("img_size", json!([1, 1])),
        ("num_classes", json!(1)),
        ("in_chans", json!(1)),
        ("drop_path", json!(NO_DROP_PATH)),
    ] {
        table.insert(key.into(), filler);
    }
    let table = Value::Object(table);
    let config = match family.as_str() {
        Some("deit") => sizes(table).map(ModelConfig::Deit),
        Some("cait") => sizes(table).map(ModelConfig::Cait),
        Some("swin") => sizes(table).map(ModelConfig::Swin),
        Some(other) => {
            let message = format!("unknown variant `{other}`, expected `deit`, `cait` or `swin`");
            return Err(wrong("family", message));
        }
        None => return Err(wrong("family", "it is `deit`, `cait` or `swin`")),
    }?;
    Ok(ModelSpec::new(Architecture::Written(config)))
}

/// A family's configuration out of a table of all its keys.
fn sizes<T: DeserializeOwned>(table: Value) -> Result<T, Wrong> {
    serde_path_to_error::deserialize(table).map_err(|error| {
        let message = error.inner().to_string();
        let unknown = message.strip_prefix("unknown field `");
        let key = match unknown.and_then(|rest| rest.split_once('`')) {
            Some((key, _)) => key.to_string(),
            None => error.path().to_string(),
        };
        wrong(key.trim_matches('.'), message)
    })
}
