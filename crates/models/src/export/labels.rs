//! The names of classes in a `config.json`, and what they stand for.
//!
//! timm's `label_names` are a list, or, where not every output has a name, a map from indices; `label_descriptions` are
//! a map from names ("n01440764" to "tench, Tinca tinca"). Both stand outermost, or in `pretrained_cfg`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Exported;
use crate::{Error, Result};

/// The most outputs of a model whose number of classes is not known.
const MOST: usize = 1 << 20;

/// The name of each of `classes` outputs, where that is known; empty for one that has none.
pub(super) fn names(
    value: Value,
    classes: Option<usize>,
) -> std::result::Result<Option<Vec<String>>, String> {
    let names = match value {
        Value::Null => return Ok(None),
        Value::Object(map) => by_index(map, classes)?,
        list => serde_json::from_value::<Vec<String>>(list)
            .map_err(|error| format!("its label_names are no list of names: {error}"))?,
    };
    match classes {
        // timm takes an empty list for none.
        _ if names.is_empty() => Ok(None),
        Some(classes) if classes != names.len() => Err(format!(
            "its label_names are {}, and the model has {classes} classes",
            names.len()
        )),
        _ => Ok(Some(names)),
    }
}

fn by_index(
    map: Map<String, Value>,
    classes: Option<usize>,
) -> std::result::Result<Vec<String>, String> {
    let mut names = vec![String::new(); classes.unwrap_or(0)];
    for (key, name) in map {
        let index = key.trim().parse::<usize>().ok();
        let index = index.filter(|&index| index < classes.unwrap_or(MOST));
        let (Some(index), Value::String(name)) = (index, name) else {
            return Err(format!(
                "its label_names have `{key}`, which is no index of a class with its name"
            ));
        };
        if index >= names.len() {
            names.resize(index + 1, String::new());
        }
        names[index] = name;
    }
    Ok(names)
}

/// What each of the `names` stands for; the name itself where that is not said.
pub(super) fn descriptions(
    value: Value,
    names: &[String],
) -> std::result::Result<Option<Vec<String>>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let map: Map<String, Value> = serde_json::from_value(value)
        .map_err(|error| format!("its label_descriptions are no map from names: {error}"))?;
    let description = |name: &String| match map.get(name).and_then(Value::as_str) {
        Some(text) => text.to_string(),
        None => name.clone(),
    };
    Ok((!map.is_empty()).then(|| names.iter().map(description).collect()))
}

/// Writes what is known of the `classes` classes outermost into `whole`.
pub(super) fn describe(
    model: &Exported<'_>,
    classes: usize,
    whole: &mut Map<String, Value>,
) -> Result<()> {
    let bad = |field, found: usize, problem: String| {
        Err(Error::Config {
            field,
            value: format!("a list of {found}"),
            problem,
        })
    };
    let names = model.label_names.unwrap_or_default();
    if model.label_names.is_some() {
        if names.len() != classes {
            let problem = format!("the model has {classes} classes");
            return bad("label_names", names.len(), problem);
        }
        whole.insert("label_names".into(), names.into());
    }
    if let Some(descriptions) = model.label_descriptions {
        let distinct: BTreeSet<&String> = names.iter().collect();
        if descriptions.len() != names.len() || distinct.len() != names.len() {
            let problem = format!(
                "it has one for each of the {} names, which must differ",
                names.len()
            );
            return bad("label_descriptions", descriptions.len(), problem);
        }
        let texts = descriptions.iter().map(|text| Value::from(text.as_str()));
        let map: Map<String, Value> = names.iter().cloned().zip(texts).collect();
        whole.insert("label_descriptions".into(), map.into());
    }
    Ok(())
}
