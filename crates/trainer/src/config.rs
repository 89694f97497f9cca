//! What a training run is told: lengths, rates, decay, averaging, and how often it saves.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schedule::Cadence;

/// The trainer's configuration. Fields are plain; [`TrainConfig::validate`] says whether they
/// make sense, and [`crate::train`] asks it.
///
/// The default is the paper's recipe for DeiT-Tiny at a total batch of 512 (its released
/// commands), with checkpoints every epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the data; at least 1.
    pub epochs: u64,
    /// The peak learning rate, above 0. Scaling it with the batch size is the caller's business.
    pub lr: f64,
    /// The rate at the end of the cosine, 0 to `lr`.
    pub min_lr: f64,
    /// The rate at the start of the warm-up, at least 0. Without warm-up it is not used.
    pub warmup_lr: f64,
    /// How many epochs the rate rises linearly, 0 to `epochs`; they are part of `epochs`.
    pub warmup_epochs: u64,
    /// When the rate changes.
    pub cadence: Cadence,
    /// Decoupled weight decay of the parameters that [`crate::Task::decays`] names; at least 0.
    pub weight_decay: f64,
    /// AdamW's decay rates of the first and second moment, each in [0, 1).
    pub betas: [f64; 2],
    /// AdamW's summand in the denominator, at least 0.
    pub eps: f64,
    /// The largest global gradient norm; larger gradients are scaled down to it. Above 0.
    pub clip_grad: Option<f64>,
    /// The decay of the moving average of the weights, in [0, 1]; none without it.
    pub ema: Option<f64>,
    /// The seed of the run. The trainer draws nothing; the seed only tells runs apart, so that
    /// a run is not continued with another one.
    pub seed: u64,
    /// Whether the gradients of the first step are audited (see [`crate::audit`]). Part of how
    /// the run is kept, not of what it computes, like all fields below.
    pub audit: bool,
    /// A checkpoint after every so many steps, besides those at the ends of epochs.
    pub checkpoint_every_steps: Option<u64>,
    /// A checkpoint after every so many epochs, at least 1. The last epoch always has one.
    pub checkpoint_every_epochs: u64,
    /// How many checkpoints stay, at least 1; older ones are deleted once a newer one is
    /// safely on the disk.
    pub keep_checkpoints: usize,
    /// A step event for the first and every so many further steps; 0 for none.
    pub log_every_steps: u64,
}

/// The fields that may change between a run and its continuation.
const UPKEEP: [&str; 5] = [
    "audit",
    "checkpoint_every_steps",
    "checkpoint_every_epochs",
    "keep_checkpoints",
    "log_every_steps",
];

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 400,
            lr: 5e-4,
            min_lr: 1e-5,
            warmup_lr: 1e-6,
            warmup_epochs: 5,
            cadence: Cadence::EpochLagged,
            weight_decay: 0.05,
            betas: [0.9, 0.999],
            eps: 1e-8,
            clip_grad: None,
            ema: None,
            seed: 0,
            audit: true,
            checkpoint_every_steps: None,
            checkpoint_every_epochs: 1,
            keep_checkpoints: 2,
            log_every_steps: 50,
        }
    }
}

impl TrainConfig {
    /// Whether every value makes sense.
    ///
    /// # Errors
    /// [`Error::Config`] with the first field that does not, its value and the rule.
    pub fn validate(&self) -> Result<()> {
        let [beta1, beta2] = self.betas;
        let rate = |x: f64| (0.0..1.0).contains(&x);
        let natural = |x: f64| x.is_finite() && x >= 0.0;
        let positive = |x: f64| x.is_finite() && x > 0.0;

        check(
            "epochs",
            self.epochs,
            self.epochs >= 1,
            "it must be at least 1",
        )?;
        check("lr", self.lr, positive(self.lr), "it must be above 0")?;
        check(
            "min_lr",
            self.min_lr,
            natural(self.min_lr) && self.min_lr <= self.lr,
            "it must lie between 0 and `lr`",
        )?;
        check(
            "warmup_lr",
            self.warmup_lr,
            natural(self.warmup_lr),
            "it must be at least 0",
        )?;
        check(
            "warmup_epochs",
            self.warmup_epochs,
            self.warmup_epochs <= self.epochs,
            "it must not exceed `epochs`",
        )?;
        check(
            "weight_decay",
            self.weight_decay,
            natural(self.weight_decay),
            "it must be at least 0",
        )?;
        check("betas[0]", beta1, rate(beta1), "it must lie in [0, 1)")?;
        check("betas[1]", beta2, rate(beta2), "it must lie in [0, 1)")?;
        check("eps", self.eps, natural(self.eps), "it must be at least 0")?;
        if let Some(norm) = self.clip_grad {
            check("clip_grad", norm, positive(norm), "it must be above 0")?;
        }
        if let Some(decay) = self.ema {
            check(
                "ema",
                decay,
                (0.0..=1.0).contains(&decay),
                "it must lie in [0, 1]",
            )?;
        }
        if let Some(every) = self.checkpoint_every_steps {
            check(
                "checkpoint_every_steps",
                every,
                every >= 1,
                "it must be at least 1",
            )?;
        }
        check(
            "checkpoint_every_epochs",
            self.checkpoint_every_epochs,
            self.checkpoint_every_epochs >= 1,
            "it must be at least 1",
        )?;
        check(
            "keep_checkpoints",
            self.keep_checkpoints,
            self.keep_checkpoints >= 1,
            "it must be at least 1",
        )
    }

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
        }
        Ok(value)
    }
}

/// An error unless `holds`.
fn check(
    key: &'static str,
    value: impl std::fmt::Display,
    holds: bool,
    rule: &'static str,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Config {
        key,
        value: value.to_string(),
        rule,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        TrainConfig::default().validate().unwrap();
    }

    #[test]
    fn each_bad_value_is_named() {
        type Change = fn(&mut TrainConfig);
        let cases: [(&str, Change); 12] = [
            ("epochs", |c| c.epochs = 0),
            ("lr", |c| c.lr = f64::NAN),
            ("min_lr", |c| c.min_lr = 1.0),
            ("warmup_lr", |c| c.warmup_lr = -1e-9),
            ("warmup_epochs", |c| c.warmup_epochs = 401),
            ("weight_decay", |c| c.weight_decay = f64::INFINITY),
            ("betas[0]", |c| c.betas[0] = 1.0),
            ("betas[1]", |c| c.betas[1] = -0.1),
            ("eps", |c| c.eps = -1.0),
            ("clip_grad", |c| c.clip_grad = Some(0.0)),
            ("ema", |c| c.ema = Some(1.5)),
            ("keep_checkpoints", |c| c.keep_checkpoints = 0),
        ];
        for (name, change) in cases {
            let mut config = TrainConfig::default();
            change(&mut config);
            let error = config.validate().unwrap_err();
            assert!(
                matches!(&error, Error::Config { key, .. } if *key == name),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn upkeep_is_no_part_of_the_identity() {
        let one = TrainConfig::default();
        let mut other = one.clone();
        other.audit = false;
        other.checkpoint_every_steps = Some(3);
        other.checkpoint_every_epochs = 7;
        other.keep_checkpoints = 9;
        other.log_every_steps = 1;
        assert_eq!(one.identity().unwrap(), other.identity().unwrap());
        other.lr *= 2.0;
        assert_ne!(one.identity().unwrap(), other.identity().unwrap());
    }
}
