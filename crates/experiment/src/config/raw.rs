//! The TOML file as it is written: types and names, no logic, no defaults.
//!
//! Every struct refuses unknown keys. What a missing key means is decided in
//! the checks, where the raw file becomes a [`super::Experiment`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use spectralkd_models::ModelConfig;
use spectralkd_trainer::Cadence;

/// A whole file in `experiments/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExperiment {
    /// What the experiment asks, in one line.
    pub title: String,
    /// The claim under test, in one sentence.
    pub claim: Option<String>,
    /// Where the claim stands in the paper.
    pub paper: Option<String>,
    /// The profile that runs when none is named.
    pub profile: Option<String>,
    /// One run per variant and seed.
    pub seeds: Option<Vec<u64>>,
    /// The images.
    pub data: RawData,
    /// The model that is trained: the student, or the teacher in its own recipe.
    pub model: ModelConfig,
    /// The frozen teacher.
    pub teacher: Option<RawTeacher>,
    /// The training recipe, shared by every variant.
    pub train: RawTrain,
    /// What the distilled variants share.
    pub distillation: Option<RawDistillation>,
    /// The runs that are compared.
    pub variants: Vec<RawVariant>,
    /// What the verdict is about.
    pub comparison: Option<RawComparison>,
    /// The linear classifier on pixels.
    pub floor: Option<RawFloor>,
    /// The spectral analysis.
    pub spectra: Option<RawSpectra>,
    /// Where the trained weights go when the run has ended.
    pub export: Option<RawExport>,
    /// Named sets of overrides, `[profiles.NAME]`.
    #[serde(default)]
    pub profiles: BTreeMap<String, toml::Table>,
}

/// `[data]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawData {
    /// The data set's name.
    pub dataset: RawDataset,
    /// Which training images.
    pub train: Option<RawTrainSet>,
    /// Training images per class.
    pub per_class: Option<usize>,
    /// Test images per class.
    pub test_per_class: Option<usize>,
    /// Test images per class after epochs that are not the last.
    pub curve_per_class: Option<usize>,
    /// Mean per channel of the images scaled to 0..1.
    pub mean: Option<Vec<f32>>,
    /// Standard deviation per channel of the images scaled to 0..1.
    pub std: Option<Vec<f32>>,
    /// Random horizontal flips in training.
    pub flip: Option<bool>,
}

/// The data sets that can be read.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RawDataset {
    /// 28x28 grey images of ten kinds of clothing.
    FashionMnist,
}

/// Where training images come from.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawTrainSet {
    /// The subset compiled into the program, unless `--data` names a folder.
    Embedded,
    /// All images of the folder named with `--data`.
    Full,
}

/// `[teacher]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTeacher {
    /// The teacher's architecture.
    pub model: ModelConfig,
    /// Weights: a path relative to the TOML file, or `hf://owner/name[@revision]/file`.
    pub weights: String,
    /// The experiment that trains it, a TOML file beside this one.
    pub recipe: Option<PathBuf>,
}

/// `[train]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTrain {
    /// Passes over the training images.
    pub epochs: u64,
    /// Images per step.
    pub batch_size: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// Learning rate of the first warm-up step.
    pub warmup_lr: Option<f64>,
    /// Learning rate at the end of the cosine.
    pub min_lr: Option<f64>,
    /// Warm-up length in epochs.
    pub warmup_epochs: Option<u64>,
    /// When the learning rate changes.
    pub schedule: Option<Cadence>,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: Option<f64>,
    /// AdamW's two averaging factors.
    pub betas: Option<[f64; 2]>,
    /// AdamW's epsilon.
    pub eps: Option<f64>,
    /// Decay of the weight average; absent for none.
    pub ema: Option<f64>,
    /// Largest global norm of the gradient; absent for no clipping.
    pub clip_grad: Option<f64>,
    /// Label smoothing of the cross-entropy.
    pub label_smoothing: Option<f64>,
    /// A checkpoint every so many steps, besides one per epoch.
    pub checkpoint_steps: Option<u64>,
    /// Images per step when no gradient is needed.
    pub eval_batch_size: Option<usize>,
}

/// `[distillation]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDistillation {
    /// Share of the logit distillation against the cross-entropy.
    pub alpha: Option<f64>,
    /// Temperature.
    pub tau: Option<f64>,
    /// Factor of the feature loss, multiplied with the variant's weight.
    pub beta: Option<f64>,
    /// A list of `[student block, teacher block]`, counted from 0, or a strategy that chooses them.
    pub pairs: toml::Value,
}

/// One entry of `[[variants]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawVariant {
    /// Folder name and key in tables.
    pub name: String,
    /// The name in tables and figures.
    pub label: Option<String>,
    /// The logit distillation.
    pub logits: RawLogits,
    /// The feature distillation.
    pub feature: Option<RawFeature>,
    /// The feature loss's weight, `w_fft` in the paper's code.
    pub weight: Option<f64>,
}

/// The logit distillation of a variant.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RawLogits {
    /// No teacher at all: cross-entropy only.
    None,
    /// Cross-entropy and features, no teacher logits.
    FeaturesOnly,
    /// Kullback-Leibler divergence to the teacher's probabilities.
    Soft,
    /// Cross-entropy to the teacher's decision.
    Hard,
}

/// The feature distillation of a variant.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RawFeature {
    /// The paper's loss, as a Fourier transform.
    Spectral,
    /// The paper's loss in its Parseval form: the same number without a transform.
    SpectralParseval,
    /// Plain mean squared error at `weight`.
    Mse,
    /// Plain mean squared error at `weight` times the measured ratio of the spectral loss to it.
    MseMatched,
}

/// `[comparison]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawComparison {
    /// The variant that the others are subtracted from.
    pub baseline: String,
    /// The variant that the claim is about.
    pub candidate: String,
    /// The control that could explain the candidate's gain.
    pub control: Option<String>,
    /// The variant that must beat the floor.
    pub undistilled: Option<String>,
    /// Smallest difference in top-1 that counts, in percentage points.
    pub effect: f64,
    /// Confidence of the intervals, between 0 and 1.
    pub confidence: Option<f64>,
}

/// `[floor]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFloor {
    /// Passes over the training images.
    pub epochs: u64,
    /// Images per step.
    pub batch_size: usize,
    /// Peak learning rate.
    pub lr: f64,
}

/// `[spectra]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSpectra {
    /// Test images per class in the fixed analysis batch.
    pub per_class: usize,
}

/// `[export]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExport {
    /// File for the weights of the first variant and seed, relative to the TOML file.
    pub weights: PathBuf,
    /// Smallest top-1 accuracy in percent that the weights must reach to be written.
    pub at_least: Option<f64>,
}
