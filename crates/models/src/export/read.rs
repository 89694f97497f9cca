//! Reading `config.json`: that of an export, and those of timm's published models.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::config_json::pooling;
use super::{CONFIG, Preprocessing, labels};
use crate::{Error, ModelConfig, Result, registry};

/// Arguments of timm's models that matter in training alone.
const TRAINING: [&str; 5] = [
    "drop_rate",
    "drop_path_rate",
    "pos_drop_rate",
    "proj_drop_rate",
    "attn_drop_rate",
];

/// What a `config.json` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// timm's entrypoint, "deit_tiny_patch16_224".
    pub architecture: String,
    /// The tag of the weights, "fb_in1k".
    pub tag: Option<String>,
    /// The model's sizes, without drop path: from `model_args`, and for the rest from the registry's entry of the
    /// architecture. `None` if the architecture is not in the registry; the caller may know it.
    pub model: Option<ModelConfig>,
    /// How a picture becomes the model's input.
    pub preprocessing: Preprocessing,
    /// The names of the classes, in order, if they are given; empty for a class without one.
    pub label_names: Option<Vec<String>>,
    /// What these names stand for, if that is given; the name itself where nothing is said of it.
    pub label_descriptions: Option<Vec<String>>,
}

/// The parts of the file that are used; there are others. Older files have all of `pretrained_cfg` outermost.
#[derive(Deserialize)]
struct Whole {
    architecture: String,
    num_classes: Option<usize>,
    #[serde(default)]
    label_names: Value,
    #[serde(default)]
    label_descriptions: Value,
    #[serde(default)]
    model_args: Map<String, Value>,
    pretrained_cfg: Option<Pretrained>,
    #[serde(flatten)]
    outermost: Pretrained,
}

#[derive(Deserialize, Default)]
struct Pretrained {
    tag: Option<String>,
    num_classes: Option<usize>,
    input_size: Option<[usize; 3]>,
    interpolation: Option<String>,
    crop_pct: Option<f64>,
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
    /// Once called labels.
    #[serde(default, alias = "labels")]
    label_names: Value,
    #[serde(default)]
    label_descriptions: Value,
}

/// Reads the `config.json` in the folder `dir`. What a file does not say has timm's default: 224 x 224 pixels in
/// colour, bicubic resizing, `crop_pct` 0.875, ImageNet's mean and standard deviation.
///
/// # Errors
/// [`Error::Description`] for a file that is missing or broken, that describes a model which no configuration can, or
/// whose class names are not one for each class;
/// [`Error::Config`] for sizes that no model can have, and for preprocessing that does not belong to its channels.
pub fn read_config(dir: &Path) -> Result<Described> {
    let path = dir.join(CONFIG);
    let bad = |problem: String| Error::Description {
        path: path.clone(),
        problem,
    };
    let text = fs::read(&path).map_err(|error| bad(format!("it cannot be read: {error}")))?;
    let whole: Whole = serde_json::from_slice(&text)
        .map_err(|error| bad(format!("it does not describe a model of timm's: {error}")))?;

    let told = whole.pretrained_cfg.unwrap_or(whole.outermost);
    let input = told.input_size.unwrap_or([3, 224, 224]);
    let model = match registry::entries()
        .into_iter()
        .find(|entry| entry.name == whole.architecture)
    {
        Some(entry) => {
            let mut model = (entry.config)
                .with_in_chans(input[0])
                .with_img_size([input[1], input[2]])
                .with_drop_path(0.0);
            if let Some(classes) = whole.num_classes.or(told.num_classes) {
                model = model.with_num_classes(classes);
            }
            let model = with_arguments(model, whole.model_args).map_err(bad)?;
            model.validate()?;
            Some(model)
        }
        None => None,
    };
    let preprocessing = Preprocessing {
        interpolation: told.interpolation.unwrap_or_else(|| "bicubic".into()),
        crop_pct: told.crop_pct.unwrap_or(0.875),
        mean: told.mean.unwrap_or_else(|| registry::IMAGENET_MEAN.into()),
        std: told.std.unwrap_or_else(|| registry::IMAGENET_STD.into()),
    };
    preprocessing.check(model.as_ref().map_or(input[0], ModelConfig::in_chans))?;
    let classes = model.as_ref().map(ModelConfig::num_classes);
    let classes = classes.or(whole.num_classes).or(told.num_classes);
    let names = or(whole.label_names, told.label_names);
    let label_names = labels::names(names, classes).map_err(bad)?;
    let descriptions = or(whole.label_descriptions, told.label_descriptions);
    let names = label_names.as_deref().unwrap_or_default();
    let label_descriptions = labels::descriptions(descriptions, names).map_err(bad)?;
    Ok(Described {
        architecture: whole.architecture,
        tag: told.tag,
        model,
        preprocessing,
        label_names,
        label_descriptions,
    })
}

/// The first of them that is there.
fn or(outermost: Value, pretrained: Value) -> Value {
    if outermost.is_null() {
        return pretrained;
    }
    outermost
}

/// The configuration with timm's keyword arguments in place of its own values.
fn with_arguments(
    config: ModelConfig,
    arguments: Map<String, Value>,
) -> std::result::Result<ModelConfig, String> {
    let mut own = serde_json::to_value(&config).map_err(|error| error.to_string())?;
    for (key, mut value) in arguments {
        let usual = key == "global_pool" && value == pooling(&config);
        if usual || TRAINING.contains(&key.as_str()) {
            continue;
        }
        if own.get(&key).is_none() || key == "family" {
            return Err(format!(
                "its model_args have `{key}` ({value}), which the {} models here do not have",
                config.family()
            ));
        }
        if key == "img_size" && value.is_u64() {
            value = json!([value, value]);
        }
        own[key] = value;
    }
    serde_json::from_value(own).map_err(|error| format!("its model_args cannot be used: {error}"))
}
