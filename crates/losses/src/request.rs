//! What a loss asks of the student and its teacher, and what it gets: as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use spectralkd_spectral::adaptive_avg_pool_channels;

use crate::{Error, Result};

/// Which logits of a model.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// The model's own answer: the mean of its heads, or the only one.
    #[default]
    Mean,
    /// The head on the class token alone (or on the pooled tokens, where there is no class token).
    Class,
    /// The head on the distillation token alone (Touvron 2021, arXiv 2012.12877).
    Distillation,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Class => "class",
            Self::Distillation => "distillation",
        })
    }
}

/// What of a feature map is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reduction {
    /// All of it, `[B, C, H, W]`.
    Whole,
    /// The map averaged to so many channels, `[B, n, H, W]`, over PyTorch's bins
    /// ([`adaptive_avg_pool_channels`]).
    Channels(usize),
}

impl Reduction {
    /// The reduced map, at least 1 channel; the tensor itself where nothing is to be done.
    ///
    /// # Errors
    /// A tensor that is not `[..., C, H, W]`, or no channels.
    pub fn apply(self, map: &Tensor) -> Result<Tensor> {
        match self {
            Self::Whole => Ok(map.clone()),
            Self::Channels(channels) => Ok(adaptive_avg_pool_channels(map, channels)?),
        }
    }
}

/// One output of a model. Ordered and hashable, so that sets of requests add up and a cache can be
/// keyed by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// Logits `[B, K]`.
    Logits(Head),
    /// The feature map `[B, C, H, W]` behind block (Swin: stage) `tap`, without prefix tokens.
    Map {
        /// The block, from 0.
        tap: usize,
        /// How much of it.
        reduction: Reduction,
    },
    /// The prefix tokens `[B, P, C]` (class, distillation) behind block `tap`, not normalised.
    Prefix {
        /// The block, from 0.
        tap: usize,
    },
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logits(head) => write!(f, "the logits ({head})"),
            Self::Map { tap, reduction } => {
                write!(f, "the map of block {tap}")?;
                match reduction {
                    Reduction::Whole => Ok(()),
                    Reduction::Channels(channels) => write!(f, " pooled to {channels} channels"),
                }
            }
            Self::Prefix { tap } => write!(f, "the prefix tokens of block {tap}"),
        }
    }
}

/// What must be computed of both models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Of the student.
    pub student: BTreeSet<Request>,
    /// Of the teacher; empty where none is needed.
    pub teacher: BTreeSet<Request>,
}

impl Needs {
    /// Adds what somebody else needs.
    pub fn extend(&mut self, other: &Self) {
        self.student.extend(&other.student);
        self.teacher.extend(&other.teacher);
    }
}

/// The outputs of one model on one batch, by request.
#[derive(Clone, Debug, Default)]
pub struct Outputs(BTreeMap<Request, Tensor>);

impl Outputs {
    /// No outputs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an output, in place of an earlier one of the same request.
    pub fn insert(&mut self, request: Request, output: Tensor) {
        self.0.insert(request, output);
    }

    /// The output.
    ///
    /// # Errors
    /// If it is not among these; the message names it and those that are.
    pub fn get(&self, request: &Request) -> Result<&Tensor> {
        self.0.get(request).ok_or_else(|| {
            let known: Vec<String> = self.0.keys().map(ToString::to_string).collect();
            Error::NoOutput {
                request: *request,
                known: known.join(", "),
            }
        })
    }

    /// All outputs, in the order of their requests.
    pub fn iter(&self) -> impl Iterator<Item = (&Request, &Tensor)> {
        self.0.iter()
    }
}

impl FromIterator<(Request, Tensor)> for Outputs {
    fn from_iter<I: IntoIterator<Item = (Request, Tensor)>>(outputs: I) -> Self {
        Self(outputs.into_iter().collect())
    }
}
