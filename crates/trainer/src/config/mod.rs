//! What a training run is told: lengths, rates, decay, averaging, and how often it saves.

mod validate;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schedule::Cadence;

/// The trainer's configuration, as it stands in the table `[train]` of an experiment file. Fields are plain;
/// [`TrainConfig::validate`] says whether they make sense, and [`crate::train`] asks it.
///
/// The default is the paper's recipe for DeiT-Tiny at a total batch of 512 (its released
/// commands), with checkpoints every epoch. In a file, length, batch and rate must be written; what else
/// is left out is the default's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the data; at least 1.
    pub epochs: u64,
    /// Images of one step; at least 1. The trainer draws none: the task does.
    pub batch_size: usize,
    /// How many ranks share them, a divisor of `batch_size`; at least 1. The trainer starts none: the caller does, with
    /// [`crate::ranks`].
    #[serde(default = "paper::ranks", skip_serializing_if = "paper::is_one_rank")]
    pub ranks: usize,
    /// The peak learning rate, above 0. Scaling it with the batch size is the caller's business.
    pub lr: f64,
    /// The rate at the end of the cosine, 0 to `lr`.
    #[serde(default = "paper::min_lr")]
    pub min_lr: f64,
    /// The rate at the start of the warm-up, 0 to `lr`. Without warm-up it is not used.
    #[serde(default = "paper::warmup_lr")]
    pub warmup_lr: f64,
    /// How many epochs the rate rises linearly, 0 to `epochs`; they are part of `epochs`.
    #[serde(default)]
    pub warmup_epochs: u64,
    /// When the rate changes.
    #[serde(default)]
    pub schedule: Cadence,
    /// Decoupled weight decay of the parameters that [`crate::Task::decays`] names; at least 0.
    #[serde(default = "paper::weight_decay")]
    pub weight_decay: f64,
    /// AdamW's decay rates of the first and second moment, each in [0, 1).
    #[serde(default = "paper::betas")]
    pub betas: [f64; 2],
    /// AdamW's summand in the denominator, at least 0.
    #[serde(default = "paper::eps")]
    pub eps: f64,
    /// The largest global gradient norm; larger gradients are scaled down to it. Above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_grad: Option<f64>,
    /// The decay of the moving average of the weights, in [0, 1); none without it. The average is evaluated beside
    /// the weights, under the same names after the prefix [`crate::AVERAGE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// The seed of the run. The trainer draws nothing; the seed only tells runs apart, so that
    /// a run is not continued with another one. No key of a file: an experiment has several.
    #[serde(skip)]
    pub seed: u64,
    /// Whether the gradients of the first step are audited (see [`crate::audit`]). Part of how
    /// the run is kept, not of what it computes, like all fields below. No key of a file.
    #[serde(skip, default = "paper::audit")]
    pub audit: bool,
    /// Images of one forward pass where no gradient is needed; at least 1.
    #[serde(default = "paper::eval_batch_size")]
    pub eval_batch_size: usize,
    /// A checkpoint after every so many steps, besides those at the ends of epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_every_steps: Option<u64>,
    /// A checkpoint after every so many epochs, at least 1. The last epoch always has one.
    #[serde(default = "paper::checkpoint_every_epochs")]
    pub checkpoint_every_epochs: u64,
    /// How many checkpoints stay, at least 1; older ones are deleted once a newer one is
    /// safely on the disk.
    #[serde(default = "paper::keep_checkpoints")]
    pub keep_checkpoints: usize,
    /// A step event for the first and every so many further steps; 0 for none.
    #[serde(default = "paper::log_every_steps")]
    pub log_every_steps: u64,
}

/// The fields that may change between a run and its continuation.
const UPKEEP: [&str; 6] = [
    "ranks",
    "eval_batch_size",
    "checkpoint_every_steps",
    "checkpoint_every_epochs",
    "keep_checkpoints",
    "log_every_steps",
];

/// Values of the paper's recipe (its released commands and parser), and how runs are kept.
mod paper {
    pub(super) fn ranks() -> usize {
        1
    }
    pub(super) fn is_one_rank(ranks: &usize) -> bool {
        *ranks == 1
    }
    pub(super) fn min_lr() -> f64 {
        1e-5
    }
    pub(super) fn warmup_lr() -> f64 {
        1e-6
    }
    pub(super) fn weight_decay() -> f64 {
        0.05
    }
    pub(super) fn betas() -> [f64; 2] {
        [0.9, 0.999]
    }
    pub(super) fn eps() -> f64 {
        1e-8
    }
    pub(super) fn audit() -> bool {
        true
    }
    pub(super) fn eval_batch_size() -> usize {
        256
    }
    pub(super) fn checkpoint_every_epochs() -> u64 {
        1
    }
    pub(super) fn keep_checkpoints() -> usize {
        2
    }
    pub(super) fn log_every_steps() -> u64 {
        50
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 400,
            batch_size: 512,
            ranks: paper::ranks(),
            lr: 5e-4,
            min_lr: paper::min_lr(),
            warmup_lr: paper::warmup_lr(),
            warmup_epochs: 5,
            schedule: Cadence::EpochLagged,
            weight_decay: paper::weight_decay(),
            betas: paper::betas(),
            eps: paper::eps(),
            clip_grad: None,
            ema: None,
            seed: 0,
            audit: paper::audit(),
            eval_batch_size: paper::eval_batch_size(),
            checkpoint_every_steps: None,
            checkpoint_every_epochs: paper::checkpoint_every_epochs(),
            keep_checkpoints: paper::keep_checkpoints(),
            log_every_steps: paper::log_every_steps(),
        }
    }
}

impl TrainConfig {
    /// The part of the configuration that a continued run must share with the one that began.
    pub(crate) fn identity(&self) -> Result<serde_json::Value> {
        let mut value = serde_json::to_value(self).map_err(|source| Error::Json {
            what: "the training configuration",
            source,
        })?;
        if let Some(fields) = value.as_object_mut() {
            for key in UPKEEP {
                fields.remove(key);
            }
            fields.insert("seed".into(), self.seed.into());
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upkeep_is_no_part_of_the_identity() {
        let one = TrainConfig::default();
        let mut other = one.clone();
        other.audit = false;
        other.ranks = 2;
        other.eval_batch_size = 1;
        other.checkpoint_every_steps = Some(3);
        other.checkpoint_every_epochs = 7;
        other.keep_checkpoints = 9;
        other.log_every_steps = 1;
        assert_eq!(one.identity().unwrap(), other.identity().unwrap());
        let changes: [fn(&mut TrainConfig); 2] = [|c| c.lr *= 2.0, |c| c.seed = 1];
        for change in changes {
            let mut other = one.clone();
            change(&mut other);
            assert_ne!(one.identity().unwrap(), other.identity().unwrap());
        }
    }
}
