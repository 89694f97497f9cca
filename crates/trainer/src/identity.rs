//! What makes a run this run and no other, and how two of them differ.

use serde_json::Value;
use spectralkd_base::digest::sha256;

use crate::config::TrainConfig;
use crate::error::Result;
use crate::task::Task;

/// The configuration of a run as far as it decides what the run computes. A checkpoint is
/// continued only by a run of the same identity.
pub(crate) struct Identity {
    pub value: Value,
    /// sha256 of the value with sorted keys.
    pub digest: String,
}

impl Identity {
    pub(crate) fn of(task: &impl Task, config: &TrainConfig) -> Result<Self> {
        let value = serde_json::json!({
            "train": config.identity()?,
            "steps_per_epoch": task.steps_per_epoch(),
            "task": task.identity(),
        });
        let mut text = String::new();
        canonical(&value, &mut text);
        Ok(Self {
            digest: sha256(text.as_bytes()),
            value,
        })
    }
}

/// JSON with sorted keys, whatever order the map type keeps them in.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// Where two identities differ, one entry per value: `train.lr: 0.1 then, 0.2 now`.
pub(crate) fn differences(then: &Value, now: &Value) -> Vec<String> {
    const SHOWN: usize = 12;
    let mut found = Vec::new();
    collect("", then, now, &mut found);
    if found.len() > SHOWN {
        let more = found.len() - SHOWN;
        found.truncate(SHOWN);
        found.push(format!("and {more} more"));
    }
    found
}

fn collect(path: &str, then: &Value, now: &Value, found: &mut Vec<String>) {
    if then == now {
        return;
    }
    let (Value::Object(a), Value::Object(b)) = (then, now) else {
        found.push(format!("{path}: {then} then, {now} now"));
        return;
    };
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match (a.get(key), b.get(key)) {
            (Some(x), Some(y)) => collect(&path, x, y, found),
            (Some(x), None) => found.push(format!("{path}: {x} then, absent now")),
            (None, Some(y)) => found.push(format!("{path}: absent then, {y} now")),
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_name_the_values() {
        let then = json!({"train": {"lr": 0.1, "epochs": 3}, "task": {"width": [4, 8], "old": 1}});
        let now =
            json!({"task": {"width": [4, 9], "new": null}, "train": {"epochs": 3, "lr": 0.2}});
        assert_eq!(
            differences(&then, &now),
            [
                "task.new: absent then, null now",
                "task.old: 1 then, absent now",
                "task.width: [4,8] then, [4,9] now",
                "train.lr: 0.1 then, 0.2 now",
            ]
        );
        assert!(differences(&now, &now).is_empty());
    }

    #[test]
    fn the_digest_is_that_of_sorted_json() {
        let mut text = String::new();
        canonical(
            &json!({"b": [1, {"d": "\"", "c": 0.5}], "a": null}),
            &mut text,
        );
        assert_eq!(text, r#"{"a":null,"b":[1,{"c":0.5,"d":"\""}]}"#);
    }
}
