//! `[teacher]`: the frozen model that teaches.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use spectralkd_distillation::Precision;
use spectralkd_models::ModelSpec;

use super::data::normalisation;
use super::fault::{Fault, rule};

/// The frozen teacher.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Which model. It keeps its own classes.
    pub model: ModelSpec,
    /// A file or a folder, relative to the experiment file, or `hf://owner/name[@revision][/file]`; by default the
    /// repository of the model's name on the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// The experiment that trains it, a TOML file beside this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<PathBuf>,
    /// The number type of its large weights.
    #[serde(default)]
    pub precision: Precision,
    /// The names of its classes, logit by logit, where its weights do not come with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Mean per channel of its images scaled to 0..1; by default its own, else the student's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    /// Standard deviation per channel of its images scaled to 0..1; positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<Vec<f32>>,
    /// Its outputs are kept in memory where they can be counted and take at most so much, GB.
    #[serde(default = "cache_gb")]
    pub cache_gb: f64,
}

fn cache_gb() -> f64 {
    4.0
}

impl Teacher {
    /// Where its weights lie, as written.
    pub fn weights(&self) -> Option<&str> {
        self.weights.as_deref().or(self.model.weights.as_deref())
    }

    /// Whether every value makes sense.
    ///
    /// # Errors
    /// The first key that does not, and the rule.
    pub(super) fn validate(&self) -> Result<(), Fault> {
        rule(
            self.weights.is_none() || self.model.weights.is_none(),
            "weights",
            "stands in `model` too: give it once",
        )?;
        rule(
            self.weights().is_some() || self.model.entry().is_some(),
            "weights",
            "are needed where the model has no name: a file, a folder or hf://owner/name",
        )?;
        rule(
            self.cache_gb.is_finite() && self.cache_gb >= 0.0,
            "cache_gb",
            "must not be negative",
        )?;
        normalisation(self.mean.as_deref(), self.std.as_deref())
    }
}
