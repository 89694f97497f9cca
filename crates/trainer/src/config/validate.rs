//! Whether the values of a training run's configuration make sense.

use super::TrainConfig;
use crate::error::{Error, Result};

/// More images than any step takes.
const MOST_IMAGES: usize = 1 << 20;

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
        check(
            "batch_size",
            self.batch_size,
            (1..=MOST_IMAGES).contains(&self.batch_size),
            "it must be at least 1, and at most 1,048,576",
        )?;
        check(
            "ranks",
            self.ranks,
            self.ranks >= 1 && self.batch_size.is_multiple_of(self.ranks),
            "it must be at least 1, and `batch_size` a multiple of it",
        )?;
        check(
            "eval_batch_size",
            self.eval_batch_size,
            (1..=MOST_IMAGES).contains(&self.eval_batch_size),
            "it must be at least 1, and at most 1,048,576",
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
            natural(self.warmup_lr) && (self.warmup_epochs == 0 || self.warmup_lr <= self.lr),
            "it must lie between 0 and `lr`",
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
            check("ema", decay, rate(decay), "it must lie in [0, 1)")?;
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
        let cases: [(&str, Change); 17] = [
            ("epochs", |c| c.epochs = 0),
            ("batch_size", |c| c.batch_size = 0),
            ("ranks", |c| c.ranks = 0),
            ("ranks", |c| c.ranks = 3),
            ("eval_batch_size", |c| c.eval_batch_size = 0),
            ("lr", |c| c.lr = f64::NAN),
            ("min_lr", |c| c.min_lr = 1.0),
            ("warmup_lr", |c| c.warmup_lr = -1e-9),
            ("warmup_lr", |c| c.warmup_lr = 1.0),
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
}
