//! What a loss is once it is built: what it needs, and its terms on a batch.

use std::fmt::Debug;

use candle_core::Tensor;
use spectralkd_base::random::Stream;

use crate::{Error, Head, Needs, Outputs, Result};

/// The shapes of a model's outputs, without the batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shapes {
    /// Logits.
    pub classes: usize,
    /// The heads that there are; [`Head::Mean`] always is.
    pub heads: Vec<Head>,
    /// `[C, H, W]` of each tap's map.
    pub taps: Vec<[usize; 3]>,
    /// Prefix tokens.
    pub prefix: usize,
}

/// What a loss is computed from: both models' outputs on one batch, and its labels.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The student's outputs, with gradients.
    pub student: &'a Outputs,
    /// The teacher's outputs: constants, to which no loss sends gradients.
    pub teacher: &'a Outputs,
    /// The class of each image, `[B]` of an integer type.
    pub labels: Option<&'a Tensor>,
    /// Soft targets `[B, K]`, shares of classes before any smoothing: there where images are mixed,
    /// and then in place of the labels.
    pub targets: Option<&'a Tensor>,
    /// Random draws of this step: the caller keys the stream by the step, [`crate::Objectives`] gives
    /// each loss a child by its name.
    pub draws: &'a Stream,
}

impl Inputs<'_> {
    /// The labels.
    ///
    /// # Errors
    /// If there are none.
    pub fn labels(&self) -> Result<&Tensor> {
        self.labels.ok_or(Error::NoLabels)
    }
}

/// A part of a loss.
#[derive(Clone, Debug)]
pub struct Term {
    /// What it is called beside the loss's name; empty for the one term of a loss.
    pub name: String,
    /// Its value, a scalar tensor, before any weighting.
    pub value: Tensor,
    /// Its factor within the loss.
    pub weight: f64,
}

impl Term {
    /// The one term of a loss, with the factor 1.
    pub fn only(value: Tensor) -> Vec<Self> {
        vec![Self::named("", value, 1.0)]
    }

    /// One of several terms.
    pub fn named(name: &str, value: Tensor, weight: f64) -> Self {
        let name = name.to_owned();
        Self {
            name,
            value,
            weight,
        }
    }
}

/// A loss that is built against the shapes of student and teacher, with parameters of its own where
/// it has any. Its value is the sum of its terms times their weights.
pub trait Objective: Send + Sync + Debug {
    /// What must be computed of both models.
    fn needs(&self) -> &Needs;

    /// The terms on one batch, always the same ones in the same order. Gradients reach the student's
    /// outputs and the loss's own parameters.
    ///
    /// # Errors
    /// An output that is missing, or whose shape is not the one that the loss was built for.
    fn terms(&self, inputs: &Inputs<'_>) -> Result<Vec<Term>>;

    /// Whether the loss is a mean over the images of a batch, so that the mean over two halves of a
    /// batch is that over the whole. Relations between images are not.
    fn is_mean_over_images(&self) -> bool {
        true
    }
}
