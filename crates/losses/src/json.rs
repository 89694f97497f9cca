//! Reading tables whose keys depend on one of them, with errors that keep the place inside.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use spectralkd_base::inner_error::wrap;

/// A value of type `T`; an error is a message that carries the path to its place
/// ([`spectralkd_base::inner_error`]).
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string().replace('[', ".").replace(']', "");
        // Of a value that is read as a whole, serde's own path is a dot.
        let path = path.trim_matches('.');
        let message = error.inner().to_string();
        // An unknown key is at fault itself, not the table that it stands in.
        let unknown = message
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split('`').next())
            .filter(|key| path.rsplit('.').next() != Some(*key));
        match unknown {
            Some(key) => wrap(path, &wrap(key, &message)),
            None => wrap(path, &message),
        }
    })
}

/// Refuses keys that are not among `known`, in serde's words, from which callers read the nearest.
pub(crate) fn known_keys<K: AsRef<str>>(
    table: &Map<String, Value>,
    known: &[K],
) -> Result<(), String> {
    let is_known = |key: &str| known.iter().any(|known| known.as_ref() == key);
    match table.keys().find(|key| !is_known(key)) {
        None => Ok(()),
        Some(key) => Err(wrap(key, &unknown("field", key, known))),
    }
}

/// serde's message about a name that is none of `known`.
pub(crate) fn unknown<K: AsRef<str>>(what: &str, name: &str, known: &[K]) -> String {
    let known: Vec<String> = known.iter().map(|k| format!("`{}`", k.as_ref())).collect();
    format!(
        "unknown {what} `{name}`, expected one of {}",
        known.join(", ")
    )
}

/// The keys that `T` knows, from what it says to one that it does not know.
pub(crate) fn keys<T: DeserializeOwned>() -> Vec<String> {
    const NO_KEY: &str = "no type has this key";
    let table = Map::from_iter([(NO_KEY.to_owned(), Value::Null)]);
    let Err(error) = serde_json::from_value::<T>(Value::Object(table)) else {
        return Vec::new();
    };
    let message = error.to_string();
    // unknown field `…`, expected one of `…`, `…`
    let quoted = message.split('`').skip(3).step_by(2);
    quoted.map(str::to_owned).collect()
}
