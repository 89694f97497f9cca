//! An experiment whose every field is usable as it stands.

use std::path::PathBuf;

use serde::Serialize;
use spectralkd_models::ModelConfig;
use spectralkd_trainer::Cadence;

use super::pairs::Pairs;

/// A checked experiment: one profile, all defaults filled in.
#[derive(Clone, Debug, Serialize)]
pub struct Experiment {
    /// The file's name without its ending.
    pub name: String,
    /// The profile's name.
    pub profile: String,
    /// What is asked, in one line.
    pub title: String,
    /// The claim under test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Where the claim stands in the paper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    /// One run per variant and seed; not empty, no duplicates.
    pub seeds: Vec<u64>,
    /// The images.
    pub data: Data,
    /// The model that is trained.
    pub model: ModelConfig,
    /// The frozen teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Teacher>,
    /// The recipe.
    pub train: Train,
    /// What the distilled variants share; present where a variant uses a teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distillation: Option<Distillation>,
    /// The runs that are compared; names are unique.
    pub variants: Vec<Variant>,
    /// What the verdict is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// The linear classifier on pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<Floor>,
    /// The spectral analysis.
    pub spectra: Spectra,
    /// Where trained weights go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<Export>,
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
}

/// The images.
#[derive(Clone, Debug, Serialize)]
pub struct Data {
    /// The data set.
    pub dataset: Dataset,
    /// Which training images.
    pub train: TrainSet,
    /// Training images per class; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_class: Option<usize>,
    /// Test images per class; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_per_class: Option<usize>,
    /// Test images per class in the learning curves; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curve_per_class: Option<usize>,
    /// Mean per channel, of images in 0..1.
    pub mean: Vec<f32>,
    /// Standard deviation per channel, of images in 0..1; positive.
    pub std: Vec<f32>,
    /// Random horizontal flips in training.
    pub flip: bool,
}

/// The data sets that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dataset {
    /// 28x28 grey images of ten kinds of clothing.
    FashionMnist,
}

impl Dataset {
    /// `[channels, height, width]` of an image.
    pub fn shape(self) -> [usize; 3] {
        match self {
            Self::FashionMnist => [1, 28, 28],
        }
    }

    /// Number of classes.
    pub fn classes(self) -> usize {
        match self {
            Self::FashionMnist => 10,
        }
    }
}

/// Where training images come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainSet {
    /// Embedded, unless a folder is named.
    Embedded,
    /// A folder, always.
    Full,
}

/// The frozen teacher.
#[derive(Clone, Debug, Serialize)]
pub struct Teacher {
    /// Architecture.
    pub model: ModelConfig,
    /// Weights.
    pub weights: Weights,
    /// The experiment that trains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<PathBuf>,
}

/// Where weights come from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// A local safetensors file.
    File(PathBuf),
    /// `hf://owner/name[@revision]/file`.
    Hub(String),
}

/// The training recipe.
#[derive(Clone, Debug, Serialize)]
pub struct Train {
    /// Passes over the training images; at least 1.
    pub epochs: u64,
    /// Images per step; at least 1.
    pub batch_size: usize,
    /// Peak learning rate; positive.
    pub lr: f64,
    /// Learning rate at the start of the warm-up.
    pub warmup_lr: f64,
    /// Learning rate at the end of the cosine.
    pub min_lr: f64,
    /// Warm-up in epochs; less than `epochs`.
    pub warmup_epochs: u64,
    /// When the learning rate changes.
    pub schedule: Cadence,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// AdamW's averaging factors, in 0..1.
    pub betas: [f64; 2],
    /// AdamW's epsilon.
    pub eps: f64,
    /// Decay of the weight average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// Largest global gradient norm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_grad: Option<f64>,
    /// Label smoothing, in 0..1.
    pub label_smoothing: f64,
    /// A checkpoint every so many steps, besides one per epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_steps: Option<u64>,
    /// Images per step without gradients.
    pub eval_batch_size: usize,
}

/// What distilled variants share.
#[derive(Clone, Debug, Serialize)]
pub struct Distillation {
    /// Share of the logit distillation, in 0..=1.
    pub alpha: f64,
    /// Temperature; positive.
    pub tau: f64,
    /// Factor of the feature loss.
    pub beta: f64,
    /// Which blocks are aligned.
    pub pairs: Pairs,
}

/// One of the compared runs.
#[derive(Clone, Debug, Serialize)]
pub struct Variant {
    /// Folder name; letters, digits, `-` and `_`.
    pub name: String,
    /// Name in tables and figures.
    pub label: String,
    /// Logit distillation.
    pub logits: Logits,
    /// Feature distillation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<Feature>,
    /// The feature loss's weight before any matching; 0 without a feature loss.
    pub weight: f64,
}

impl Variant {
    /// Whether the variant needs teacher outputs.
    pub fn uses_teacher(&self) -> bool {
        self.logits != Logits::None
    }
}

/// Logit distillation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Logits {
    /// No teacher.
    None,
    /// Features only.
    FeaturesOnly,
    /// Kullback-Leibler divergence.
    Soft,
    /// The teacher's decision as label.
    Hard,
}

/// Feature distillation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// The paper's loss by Fourier transform.
    Spectral,
    /// The paper's loss in Parseval form.
    SpectralParseval,
    /// Plain mean squared error.
    Mse,
    /// Plain mean squared error at the measured ratio.
    MseMatched,
}

/// What the verdict is about. The names are variants of the experiment.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Subtracted from the others.
    pub baseline: String,
    /// What the claim is about.
    pub candidate: String,
    /// The control that could explain the candidate's gain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The variant that must beat the floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undistilled: Option<String>,
    /// Smallest difference that counts, percentage points of top-1; not negative.
    pub effect: f64,
    /// Confidence of the intervals, in 0..1.
    pub confidence: f64,
}

/// The linear classifier on pixels.
#[derive(Clone, Debug, Serialize)]
pub struct Floor {
    /// Passes over the training images.
    pub epochs: u64,
    /// Images per step.
    pub batch_size: usize,
    /// Peak learning rate.
    pub lr: f64,
}

/// The spectral analysis.
#[derive(Clone, Debug, Serialize)]
pub struct Spectra {
    /// Test images per class in the fixed analysis batch.
    pub per_class: usize,
}

/// Where trained weights go.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    /// The file.
    pub weights: PathBuf,
    /// Top-1 in percent that the weights must reach.
    pub at_least: f64,
}
