//! What is timed, and how often.

use std::str::FromStr;

use spectralkd_models::{ModelConfig, registry};

use crate::error::{Error, Result};
use crate::pairs::pairs;

/// A model's sizes under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The name in records.
    pub name: String,
    /// The sizes.
    pub config: ModelConfig,
}

impl Named {
    /// A model of the registry.
    ///
    /// # Errors
    /// There is none of this name; the message has the nearest.
    pub fn find(name: &str) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            config: registry::find(name)?.config,
        })
    }
}

/// The number types of a step's weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Everything in f32.
    #[default]
    F32,
    /// The teacher's weights in bf16, all else in f32.
    Bf16Teacher,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16Teacher];

    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16Teacher => "bf16-teacher",
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| {
            format!(
                "`{text}` is none of {}",
                Self::ALL.map(Self::name).join(", ")
            )
        })
    }
}

/// How the spectral loss is computed: two ways to one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By Parseval's theorem, as training does.
    Parseval,
    /// By the definition, with a Fourier transform.
    Fft,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Parseval, Self::Fft];

    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parseval => "parseval",
            Self::Fft => "fft",
        }
    }
}

/// What is timed.
#[derive(Clone, Debug, PartialEq)]
pub enum Case {
    /// A step of distillation: the teacher's forward pass without gradients, the student's forward pass, cross entropy
    /// + KL divergence + spectral loss over pairs of layers, backward pass, AdamW.
    Step {
        /// Trains.
        student: Named,
        /// Does not.
        teacher: Named,
        /// Images in a batch.
        batch: usize,
        /// The number type of the teacher's weights.
        precision: Precision,
    },
    /// A step of plain training: forward pass, cross entropy, backward pass, AdamW.
    Train {
        /// The model.
        student: Named,
        /// Images in a batch.
        batch: usize,
    },
    /// A forward pass to the logits, without gradients.
    Infer {
        /// The model.
        student: Named,
        /// Images in a batch.
        batch: usize,
    },
    /// The spectral loss of one pair of feature maps, forward and backward to the student's.
    Loss {
        /// Batch, channels, height and width of both maps.
        shape: [usize; 4],
        /// How it is computed.
        form: Form,
    },
}

/// How often a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Runs before the first that counts.
    pub warmup: usize,
    /// Timed runs, at least 1.
    pub runs: usize,
}

impl Length {
    /// All runs.
    pub fn all(self) -> usize {
        self.warmup.saturating_add(self.runs)
    }
}

impl Case {
    /// Its name: `step`, `train`, `infer`, `loss`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Step { .. } => "step",
            Self::Train { .. } => "train",
            Self::Infer { .. } => "infer",
            Self::Loss { .. } => "loss",
        }
    }

    /// The model that is trained or run; a loss has none.
    pub fn student(&self) -> Option<&Named> {
        match self {
            Self::Step { student, .. }
            | Self::Train { student, .. }
            | Self::Infer { student, .. } => Some(student),
            Self::Loss { .. } => None,
        }
    }

    /// Images in a batch.
    pub fn batch(&self) -> usize {
        match self {
            Self::Step { batch, .. } | Self::Train { batch, .. } | Self::Infer { batch, .. } => {
                *batch
            }
            Self::Loss { shape, .. } => shape[0],
        }
    }

    /// The number types.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Step { precision, .. } => *precision,
            _ => Precision::F32,
        }
    }

    /// How often it runs where nothing else is asked for: 2 + 10, a loss 5 + 50.
    pub fn length(&self) -> Length {
        let (warmup, runs) = match self {
            Self::Loss { .. } => (5, 50),
            _ => (2, 10),
        };
        Length { warmup, runs }
    }

    /// Floating-point operations of one run in units of 1e9: two per multiply-accumulate of
    /// [`ModelInfo::macs`](spectralkd_models::ModelInfo::macs), a trained model's forward pass three times (its
    /// backward pass computes two products for each of the forward pass). `None` for a loss, which has no such count.
    ///
    /// # Errors
    /// The sizes of a model make no sense.
    pub fn gflop(&self) -> Result<Option<f64>> {
        let macs = |model: &Named| model.config.info().map(|info| info.macs as f64);
        let per_image = match self {
            Self::Step {
                student, teacher, ..
            } => 3.0 * macs(student)? + macs(teacher)?,
            Self::Train { student, .. } => 3.0 * macs(student)?,
            Self::Infer { student, .. } => macs(student)?,
            Self::Loss { .. } => return Ok(None),
        };
        Ok(Some(2.0 * per_image * self.batch() as f64 / 1e9))
    }

    /// Checks everything that can be checked before anything runs.
    ///
    /// # Errors
    /// What is wrong, and what would do.
    pub fn check(&self, length: Length) -> Result<()> {
        if length.runs == 0 {
            return Err(Error::NoRuns);
        }
        match self {
            Self::Step { .. } | Self::Train { .. } if length.warmup == 0 => {
                return Err(Error::NoWarmup { case: self.name() });
            }
            Self::Loss { shape, .. } if shape.contains(&0) => {
                return Err(Error::EmptyMaps { shape: *shape });
            }
            _ if self.batch() == 0 => return Err(Error::EmptyBatch),
            _ => {}
        }
        if let Some(student) = self.student() {
            student.config.validate()?;
        }
        if let Self::Step {
            student, teacher, ..
        } = self
        {
            pairs(student, teacher)?;
        }
        Ok(())
    }
}
