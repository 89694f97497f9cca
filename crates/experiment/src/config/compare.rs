//! What is compared, with what, and what comes of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use spectralkd_base::nearest;
use spectralkd_losses::Loss;
use spectralkd_trainer::TrainConfig;

use super::fault::{Fault, rule};

/// One entry of `[[variants]]`: one of the compared runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Folder name and key in tables; letters, digits, `-` and `_`.
    pub name: String,
    /// Name in tables and figures; the name without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What is minimised: the weighted sum of these.
    pub losses: Vec<Loss>,
}

impl Variant {
    /// Name in tables and figures.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }

    /// Whether a loss reads the teacher.
    pub fn uses_teacher(&self) -> bool {
        self.losses.iter().any(|loss| loss.spec.uses_teacher())
    }

    /// Whether the name can be a folder's.
    pub(super) fn validate(&self) -> Result<(), Fault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        rule(
            !self.name.is_empty() && self.name.chars().all(plain),
            "name",
            "a folder gets this name: use letters, digits, - and _",
        )?;
        rule(!self.losses.is_empty(), "losses", "give at least one")
    }
}

/// `[comparison]`: what the verdict is about. The names are variants of the experiment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The variant that is subtracted from the others.
    pub baseline: String,
    /// The variant that the claim is about.
    pub candidate: String,
    /// The control that could explain the candidate's gain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The variant that must beat the floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undistilled: Option<String>,
    /// Smallest difference in top-1 that counts, percentage points; not negative.
    pub effect: f64,
    /// Confidence of the intervals, in 0..1.
    #[serde(default = "confidence")]
    pub confidence: f64,
}

fn confidence() -> f64 {
    0.95
}

impl Comparison {
    /// Whether the names are variants' and the numbers make sense.
    pub(super) fn validate(&self, variants: &[Variant]) -> Result<(), Fault> {
        let names = || variants.iter().map(|v| v.name.as_str());
        let references = [
            ("baseline", Some(&self.baseline)),
            ("candidate", Some(&self.candidate)),
            ("control", self.control.as_ref()),
            ("undistilled", self.undistilled.as_ref()),
        ];
        for (key, name) in references {
            let Some(name) = name else { continue };
            if !names().any(|n| n == name) {
                let near = nearest(name, names()).map(|n| format!("; did you mean `{n}`?"));
                let near = near.unwrap_or_default();
                return Err(Fault::new(
                    key,
                    format!("no variant is named `{name}`{near}"),
                ));
            }
        }
        rule(
            self.baseline != self.candidate,
            "candidate",
            "must differ from the baseline",
        )?;
        rule(
            self.effect.is_finite() && self.effect >= 0.0,
            "effect",
            "must not be negative",
        )?;
        rule(
            self.confidence > 0.0 && self.confidence < 1.0,
            "confidence",
            "must lie between 0 and 1",
        )
    }
}

/// `[floor]`: the linear classifier on pixels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// Passes over the training images.
    pub epochs: u64,
    /// Images per step.
    pub batch_size: usize,
    /// Peak learning rate.
    pub lr: f64,
}

impl Floor {
    /// Its recipe: the students' without warm-up, floor of the rate, weight decay and averaging.
    pub fn train_config(&self, students: &TrainConfig) -> TrainConfig {
        TrainConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            lr: self.lr,
            warmup_epochs: 0,
            min_lr: 0.0,
            weight_decay: 0.0,
            ema: None,
            ranks: 1,
            ..students.clone()
        }
    }
}

/// `[spectra]`: the spectral analysis.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spectra {
    /// Test images per class in the fixed analysis batch.
    pub per_class: usize,
}

impl Default for Spectra {
    fn default() -> Self {
        Self { per_class: 10 }
    }
}

/// `[export]`: where trained weights go.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// File for the weights of the first variant and seed, relative to the TOML file.
    pub weights: PathBuf,
    /// Top-1 in percent that the weights must reach to be written.
    #[serde(default)]
    pub at_least: f64,
    /// Whether the moving average of the weights is written in their place (`train.ema`).
    #[serde(default)]
    pub average: bool,
}
