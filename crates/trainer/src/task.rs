//! What the trainer asks of the thing it trains.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};

/// Any error of a [`Task`].
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// Named numbers out of an evaluation ("top1", "loss", ...).
pub type Metrics = BTreeMap<String, f64>;

/// Where a task stands in its data. Opaque to the trainer, which keeps it, saves it in
/// checkpoints and hands it back; a task must be able to go on from a cursor alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub serde_json::Value);

/// A place in the run. All counts are from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The epoch.
    pub epoch: u64,
    /// The step within the epoch.
    pub step_in_epoch: u64,
    /// The step within the whole run: `epoch * steps_per_epoch + step_in_epoch`.
    pub global: u64,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "step {} (epoch {}, step {} in it, from 0)",
            self.global, self.epoch, self.step_in_epoch
        )
    }
}

/// The loss of one batch.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The scalar that is minimised, with its graph.
    pub total: Tensor,
    /// Scalars to report beside it, by name; they need not add up to it.
    pub parts: Vec<(String, Tensor)>,
    /// How many samples the batch holds: the weight of this step in the epoch's means, and
    /// what the rate counts.
    pub samples: u64,
}

/// Something that can be trained: a model, its data and its loss behind six questions.
///
/// A run can be resumed to the bit if [`Task::next`] and [`Task::loss`] are functions of their
/// arguments and of the trainable parameters alone: random draws come from streams keyed by
/// [`Step`] or by what the cursor holds, never from a generator that lives in the task.
///
/// The crate root has a complete task in twenty lines.
pub trait Task {
    /// What [`Task::next`] makes and [`Task::loss`] takes.
    type Batch;

    /// What makes this task this task: model, data, loss, seeds. Checkpoints keep it, and a
    /// run is not continued with another one. The trainer's own configuration need not be in it.
    fn identity(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// How many batches make an epoch; at least 1, the same throughout.
    fn steps_per_epoch(&self) -> u64;

    /// The cursor of the first batch of the first epoch.
    fn start(&self) -> Cursor;

    /// The batch at the cursor, and the cursor after it. After the last batch of an epoch the
    /// new cursor stands at the first of the next one.
    ///
    /// # Errors
    /// Whatever keeps the task from it; the run stops, with its state saved.
    fn next(&mut self, cursor: &Cursor) -> Result<(Self::Batch, Cursor), TaskError>;

    /// The loss of a batch, at the current value of the trainable parameters.
    ///
    /// # Errors
    /// Whatever keeps the task from it; the run stops, with its state saved.
    fn loss(&mut self, batch: &Self::Batch, step: Step) -> Result<Parts, TaskError>;

    /// The parameters that are trained, by name. The same variables throughout.
    fn trainable(&self) -> &BTreeMap<String, Var>;

    /// The parameters that must not change (a teacher's), by name, for the gradient audit.
    fn frozen(&self) -> &BTreeMap<String, Tensor> {
        static NONE: BTreeMap<String, Tensor> = BTreeMap::new();
        &NONE
    }

    /// Whether weight decay applies to the parameter of this name and number of dimensions.
    /// Without a no-decay list of the model's own this is timm's rule; see [`decays`].
    fn decays(&self, name: &str, rank: usize) -> bool {
        decays(name, rank, &BTreeSet::new())
    }

    /// The rows (along the first axis) of a parameter whose gradient is zero in exact
    /// arithmetic at this step, and which the audit therefore does not judge: an attention's key biases,
    /// which softmax cancels, or a parameter of a loss that is off. `None` where there are none.
    fn zero_gradient(&self, name: &str, step: Step) -> Option<Range<usize>> {
        let _ = (name, step);
        None
    }

    /// Takes the part of rank `rank` of `world` from now on: of every batch its own share of the samples, so that the
    /// cursor still counts batches of all ranks, and the loss is the mean over that share. Called once, before anything
    /// else, where there are several ranks; a task that does not say how it is shared out is refused.
    ///
    /// # Errors
    /// Why the mean of the ranks' losses would not be the loss of the whole batch, and what to do.
    fn share(&mut self, rank: usize, world: usize) -> Result<(), TaskError> {
        let _ = rank;
        Err(
            format!("this task is not made to be shared out to {world} ranks; train it with one")
                .into(),
        )
    }

    /// Measures the trained parameters after an epoch (counted from 0). With several ranks, rank 0 alone is asked.
    ///
    /// # Errors
    /// Whatever keeps the task from it; the run stops, with its state saved.
    fn evaluate(&mut self, epoch: u64) -> Result<Metrics, TaskError>;
}

/// timm's rule for weight decay (`timm.optim.param_groups_weight_decay`): none for parameters
/// of at most one dimension, for biases (names that end in `.bias`), and for the names in the
/// model's `no_weight_decay()` list (`cls_token`, `pos_embed`, ...), which are compared whole.
///
/// ```
/// use std::collections::BTreeSet;
/// use spectralkd_trainer::decays;
///
/// let listed = BTreeSet::from(["pos_embed".to_string()]);
/// assert!(decays("blocks.0.attn.qkv.weight", 2, &listed));
/// assert!(!decays("norm.weight", 1, &listed));
/// assert!(!decays("head.bias", 1, &listed));
/// assert!(!decays("pos_embed", 3, &listed));
/// ```
pub fn decays(name: &str, rank: usize, no_weight_decay: &BTreeSet<String>) -> bool {
    rank > 1 && !name.ends_with(".bias") && !no_weight_decay.contains(name)
}
