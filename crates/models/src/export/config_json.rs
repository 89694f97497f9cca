//! `config.json`, as timm reads it.

use serde_json::{Map, Value, json};

use super::{Exported, GENERATOR, labels};
use crate::{ModelConfig, Result, registry};

/// The keys of a [`ModelConfig`] that are no arguments of timm's model.
const NO_ARGUMENTS: [&str; 4] = ["family", "distilled", "num_classes", "drop_path"];

/// The whole of `config.json`.
pub(super) fn describe(model: &Exported<'_>) -> Result<Map<String, Value>> {
    let config = model.config;
    let info = config.info()?;
    model.preprocessing.check(info.image[0])?;
    let last = info.taps.last().copied().unwrap_or_default();
    let (pool_size, classifier) = match config {
        ModelConfig::Swin(_) => (json!(last[1..]), json!("head.fc")),
        ModelConfig::Deit(deit) if deit.distilled => (Value::Null, json!(["head", "head_dist"])),
        ModelConfig::Deit(_) | ModelConfig::Cait(_) => (Value::Null, json!("head")),
    };
    let way = model.preprocessing;
    let mut pretrained = map(json!({
        "custom_load": false,
        "input_size": info.image,
        "fixed_input_size": true,
        "interpolation": way.interpolation,
        "crop_pct": way.crop_pct,
        "crop_mode": "center",
        "mean": way.mean,
        "std": way.std,
        "num_classes": info.classes,
        "pool_size": pool_size,
        "first_conv": "patch_embed.proj",
        "classifier": classifier,
    }));
    if let Some(tag) = model.tag {
        pretrained.insert("tag".into(), json!(tag));
    }
    if let Some(license) = model.card.license {
        pretrained.insert("license".into(), json!(license));
    }
    let mut whole = map(json!({
        "architecture": architecture(config),
        "num_classes": info.classes,
        "num_features": last[0],
        "global_pool": pooling(config),
        "model_args": arguments(config),
        "pretrained_cfg": pretrained,
    }));
    labels::describe(model, info.classes, &mut whole)?;
    whole.insert(GENERATOR.into(), json!(generator()));
    Ok(whole)
}

/// What wrote a folder: the crate and its version.
pub(super) fn generator() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

/// How the classifier gets its input, in timm's words: Swin's is the mean of the last map, that of others a token.
pub(super) fn pooling(config: &ModelConfig) -> &'static str {
    match config {
        ModelConfig::Swin(_) => "avg",
        ModelConfig::Deit(_) | ModelConfig::Cait(_) => "token",
    }
}

/// The keyword arguments of timm's model: the configuration's keys are timm's.
pub(super) fn arguments(config: &ModelConfig) -> Map<String, Value> {
    // A configuration of numbers and lists always becomes JSON.
    let mut arguments = map(serde_json::to_value(config).unwrap_or_default());
    arguments.retain(|key, _| !NO_ARGUMENTS.contains(&key.as_str()));
    arguments
}

/// timm's entrypoint whose sizes agree with the model's in the most places, the first of several.
fn architecture(config: &ModelConfig) -> &'static str {
    let own = arguments(config);
    let (mut nearest, mut most) = ("", None);
    for entry in registry::entries() {
        if kind(&entry.config) == kind(config) {
            let other = arguments(&entry.config);
            let agreeing = own
                .iter()
                .filter(|&(key, value)| other.get(key) == Some(value));
            let agreeing = Some(agreeing.count());
            if agreeing > most {
                (nearest, most) = (entry.name, agreeing);
            }
        }
    }
    nearest
}

/// The class of timm's model.
fn kind(config: &ModelConfig) -> (&'static str, bool) {
    let distilled = matches!(config, ModelConfig::Deit(deit) if deit.distilled);
    (config.family(), distilled)
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
