//! What features to look at: those of a model on images, or those of a file.

use std::path::PathBuf;
use std::str::FromStr;

use spectralkd_base::nearest;

use crate::ModelRequest;

/// The keys of a source in words.
const KEYS: [&str; 4] = ["label", "model", "weights", "features"];

/// A model with its weights, or a file of features, under a name for figures.
///
/// In words: a model's name (`cait_s24_224`), a file of features (`x.safetensors`), or pairs of key
/// and value as in `label=student,model=deit_tiny_patch16_224,weights=out/`, where
/// `features=FILE` takes the place of model and weights.
#[derive(Clone, Debug)]
pub struct FeatureSource {
    /// The name in figures and tables; by default that of the model, or the file's without ending.
    pub label: Option<String>,
    /// Where its features come from.
    pub from: FeaturesFrom,
}

/// Where features come from.
#[derive(Clone, Debug)]
pub enum FeaturesFrom {
    /// A file with `features.<i>`.
    File(PathBuf),
    /// A model, which has to see images first.
    Model(ModelRequest),
}

impl FromStr for FeatureSource {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if !text.contains('=') {
            let from = if text.ends_with(".safetensors") {
                FeaturesFrom::File(text.into())
            } else {
                FeaturesFrom::Model(ModelRequest {
                    model: Some(text.to_owned()),
                    ..ModelRequest::default()
                })
            };
            return Ok(Self { label: None, from });
        }
        let (mut label, mut features, mut request) = (None, None, ModelRequest::default());
        for part in text.split(',') {
            let (key, value) = part
                .split_once('=')
                .filter(|(_, value)| !value.is_empty())
                .ok_or_else(|| format!("`{part}` is no KEY=VALUE"))?;
            match key.trim() {
                "label" => label = Some(value.to_owned()),
                "model" => request.model = Some(value.to_owned()),
                "weights" => request.weights = Some(value.to_owned()),
                "features" => features = Some(PathBuf::from(value)),
                other => {
                    let hint = nearest(other, KEYS)
                        .map_or_else(String::new, |key| format!(" (did you mean `{key}`?)"));
                    return Err(format!("`{other}` is none of {}{hint}", KEYS.join(", ")));
                }
            }
        }
        let from = match (features, &request.model, &request.weights) {
            (Some(features), None, None) => FeaturesFrom::File(features),
            (Some(_), _, _) => return Err("give either features, or model and weights".into()),
            (None, None, None) => return Err("give model, weights or features".into()),
            (None, _, _) => FeaturesFrom::Model(request),
        };
        Ok(Self { label, from })
    }
}

impl FeatureSource {
    /// The name in figures and tables: the label, or else what the source calls itself.
    pub(crate) fn label_or(&self, own: &str) -> String {
        self.label.clone().unwrap_or_else(|| own.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_in_words() {
        let parse = |text: &str| text.parse::<FeatureSource>();
        let FeaturesFrom::Model(request) = parse("cait_s24_224").unwrap().from else {
            panic!("no model");
        };
        assert_eq!(request.model.as_deref(), Some("cait_s24_224"));
        let file = parse("a/x.safetensors").unwrap();
        assert!(matches!(file.from, FeaturesFrom::File(_)) && file.label.is_none());
        let full = parse("label=student,model=deit_tiny_patch16_224,weights=hf://a/b").unwrap();
        assert_eq!(full.label.as_deref(), Some("student"));
        assert!(matches!(full.from, FeaturesFrom::Model(_)));
        let weights = parse("weights=exported/").unwrap();
        assert!(matches!(weights.from, FeaturesFrom::Model(r) if r.model.is_none()));
        for (text, part) in [
            ("labels=x,model=y", "did you mean `label`?"),
            ("label=x", "give model, weights or features"),
            ("features=a,model=b", "either features"),
            ("model=", "no KEY=VALUE"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
