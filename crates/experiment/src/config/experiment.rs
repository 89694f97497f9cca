//! The whole of an experiment file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spectralkd_losses::{Loss, Pairs};
use spectralkd_models::ModelSpec;
use spectralkd_trainer::TrainConfig;

use super::compare::{Comparison, Export, Floor, Spectra, Variant};
use super::data::Data;
use super::teacher::Teacher;

/// A file in `experiments/`, one profile of it, with all defaults filled in: what is read, what the runs use, and what
/// is written to `config.toml` of the run folder. [`Experiment::validate`] says whether it makes sense.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The name; without it, the file's without its ending.
    #[serde(default)]
    pub name: String,
    /// The profile that runs when none is named, or the one that was chosen.
    #[serde(default = "full")]
    pub profile: String,
    /// What is asked, in one line.
    pub title: String,
    /// The claim under test, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Where the claim stands in the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    /// One run per variant and seed; not empty, each once.
    #[serde(default = "one_seed")]
    pub seeds: Vec<u64>,
    /// The model that is trained: the student, or the teacher in its own recipe.
    pub model: ModelSpec,
    /// The images.
    pub data: Data,
    /// The frozen teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Teacher>,
    /// The recipe, shared by all variants.
    pub train: TrainConfig,
    /// What the distilled variants share.
    #[serde(default)]
    pub distillation: Distillation,
    /// The runs that are compared; not empty, names are unique.
    pub variants: Vec<Variant>,
    /// What the verdict is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// The linear classifier on pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Floor>,
    /// The spectral analysis.
    #[serde(default)]
    pub spectra: Spectra,
    /// Where trained weights go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Export>,
    /// Named sets of overrides, `[profiles.NAME]`; empty once one of them was chosen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profiles: BTreeMap<String, toml::Table>,
}

/// What distilled variants share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distillation {
    /// Which layers are aligned, for the losses that do not list their own: (student, teacher), counted from 0, or a
    /// strategy.
    #[serde(default, skip_serializing_if = "Pairs::is_shared")]
    pub pairs: Pairs,
}

fn full() -> String {
    "full".into()
}

fn one_seed() -> Vec<u64> {
    vec![0]
}

impl Experiment {
    /// Whether any variant needs the teacher.
    pub fn distils(&self) -> bool {
        self.variants.iter().any(Variant::uses_teacher)
    }

    /// The variant of that name.
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|v| v.name == name)
    }

    /// The pairs of layers that are aligned: those that losses share, else all that they list themselves; none where a
    /// strategy is still to choose.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        match &self.distillation.pairs {
            Pairs::Listed(list) => list.clone(),
            Pairs::Chosen { .. } => Vec::new(),
            Pairs::Shared => {
                let own =
                    self.variants
                        .iter()
                        .flat_map(|v| &v.losses)
                        .filter_map(|loss| match loss.spec.pairs() {
                            Some(Pairs::Listed(list)) => Some(list),
                            _ => None,
                        });
                let distinct: BTreeSet<(usize, usize)> = own.flatten().copied().collect();
                distinct.into_iter().collect()
            }
        }
    }

    /// The losses of a variant, all pairs listed.
    pub fn losses(&self, variant: &Variant) -> Vec<Loss> {
        let mut losses = variant.losses.clone();
        for loss in &mut losses {
            if let Some(pairs @ Pairs::Shared) = loss.spec.pairs_mut() {
                *pairs = self.distillation.pairs.clone();
            }
        }
        losses
    }

    /// The same experiment with these pairs for the losses to share.
    pub fn with_pairs(&self, pairs: Vec<(usize, usize)>) -> Self {
        let mut experiment = self.clone();
        experiment.distillation.pairs = Pairs::Listed(pairs);
        experiment
    }

    /// Makes paths relative to the working directory instead of to the file's folder.
    pub(super) fn rebase(&mut self, folder: &Path) {
        let rebase = |path: &mut PathBuf| *path = folder.join(&*path);
        if let Some(teacher) = &mut self.teacher {
            teacher.recipe.as_mut().map(rebase);
            rebase_weights(&mut teacher.weights, folder);
            rebase_weights(&mut teacher.model.weights, folder);
        }
        rebase_weights(&mut self.model.weights, folder);
        self.data.path.as_mut().map(rebase);
        if let Some(export) = &mut self.export {
            rebase(&mut export.weights);
        }
    }
}

/// Weights are a path, unless they are an address.
fn rebase_weights(weights: &mut Option<String>, folder: &Path) {
    if let Some(weights) = weights
        && !weights.contains("://")
    {
        *weights = folder.join(&*weights).to_string_lossy().into_owned();
    }
}
