//! The model card.

use serde_json::{Map, Value};

use super::{Exported, README};
use crate::{Error, Result};

/// The caller's texts of a model card, in Markdown. Title and license are one line each.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// The heading.
    pub title: &'a str,
    /// What the model is.
    pub summary: &'a str,
    /// How it was trained: data, method, length, hardware.
    pub training: &'a str,
    /// What it reaches, and on which data.
    pub results: &'a str,
    /// The license of the weights by the hub's name, "mit" or "apache-2.0"; `None` says nothing.
    pub license: Option<&'a str>,
}

/// Writes the card of a model described by this `config.json`.
pub(super) fn render(model: &Exported<'_>, description: &Map<String, Value>) -> Result<String> {
    let card = &model.card;
    for line in [Some(card.title), card.license].into_iter().flatten() {
        if line.trim().is_empty() || line.contains(char::is_control) {
            return Err(Error::Config {
                field: README,
                value: format!("{line:?}"),
                problem: "title and license of the model card are one line each".into(),
            });
        }
    }
    let info = model.config.info()?;
    let license = match card.license {
        Some(license) => format!("license: {}\n", Value::from(license)), // a JSON string is one of YAML
        None => String::new(),
    };
    let [channels, height, width] = info.image;
    let way = model.preprocessing;
    let architecture = description["architecture"].as_str().unwrap_or_default();
    Ok(format!(
        "---
tags:
- image-classification
- timm
library_name: timm
{license}---
# {title}

{summary}

## Model details

- **Type:** image classification, feature backbone
- **Architecture:** {family}, built by timm's `{architecture}` with the sizes in `config.json`
- **Parameters (M):** {params:.2}
- **GMACs:** {macs:.3}
- **Image size:** {height} x {width}, {channels} channels
- **Classes:** {classes}
- **Preprocessing:** resize ({interpolation}) to 1/{crop} of the image size, centre crop, mean {mean:?}, standard \
deviation {std:?}

## Training

{training}

## Results

{results}

## Usage

```python
import timm

model = timm.create_model(\"local-dir:PATH/OF/THIS/FOLDER\", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
```
",
        title = card.title.trim(),
        summary = card.summary.trim(),
        family = info.family,
        params = info.params as f64 / 1e6,
        macs = info.macs as f64 / 1e9,
        classes = info.classes,
        interpolation = way.interpolation,
        crop = way.crop_pct,
        mean = way.mean,
        std = way.std,
        training = card.training.trim(),
        results = card.results.trim(),
    ))
}
