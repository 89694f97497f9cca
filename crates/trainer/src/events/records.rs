//! What a line of the log tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::numbers;
use crate::task::Metrics;

/// One line of the log; the key `event` names the variant in lower case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A run begins.
    Start {
        /// sha256 of the run's identity: trainer configuration, task, steps per epoch.
        digest: String,
        /// How many numbers are trained.
        parameters: u64,
        /// Epochs to come.
        epochs: u64,
        /// Steps in each.
        steps_per_epoch: u64,
    },
    /// A run goes on from a checkpoint.
    Resume {
        /// Steps made so far.
        step: u64,
        /// The sidecar's file name.
        checkpoint: String,
    },
    /// A step was made (one in [`crate::TrainConfig::log_every_steps`]).
    Step(StepRecord),
    /// An epoch was made and evaluated.
    Epoch(EpochRecord),
    /// The run stopped before its end.
    Stop {
        /// Steps made so far.
        step: u64,
        /// Why, in words.
        reason: String,
    },
    /// The run is complete.
    Done {
        /// Steps made.
        step: u64,
    },
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Steps made so far, this one included.
    pub step: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// The step within the epoch, from 0.
    pub step_in_epoch: u64,
    /// The learning rate.
    pub lr: f64,
    /// The loss that was minimised.
    #[serde(with = "numbers")]
    pub loss: f64,
    /// The scalars reported beside it.
    #[serde(with = "numbers::map")]
    pub parts: BTreeMap<String, f64>,
    /// The global L2 norm of the gradient, before clipping.
    #[serde(with = "numbers")]
    pub grad_norm: f64,
    /// Samples in the batch.
    pub samples: u64,
    /// How long the step took, drawing the batch included.
    pub seconds: f64,
}

/// One epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Steps made so far, over all epochs.
    pub step: u64,
    /// The learning rate of the epoch's last step.
    pub lr: f64,
    /// Mean of the loss over the epoch's samples.
    #[serde(with = "numbers")]
    pub loss: f64,
    /// Means of the scalars reported beside it, over the samples of the steps that reported them.
    #[serde(with = "numbers::map")]
    pub parts: BTreeMap<String, f64>,
    /// Mean over steps of the gradient's global L2 norm, before clipping.
    #[serde(with = "numbers")]
    pub grad_norm: f64,
    /// What [`crate::Task::evaluate`] measured.
    #[serde(with = "numbers::map")]
    pub metrics: Metrics,
    /// Samples trained on.
    pub samples: u64,
    /// Time in steps; evaluation and checkpoints not counted.
    pub seconds: f64,
    /// Samples per second of it.
    pub samples_per_second: f64,
}
