//! Drop path: whole branches left out at random.

use crate::error::{Error, Result};
use crate::pass::Pass;

/// Drop path (stochastic depth, Huang et al. 2016): in training, the branch of each
/// sample is left out with probability `rate` and else divided by 1 - rate.
#[derive(Clone, Debug)]
pub struct DropPath {
    rate: f64,
    name: String,
}

impl DropPath {
    /// Leaves out with probability `rate`, in 0..1 (1 excluded). The draws are keyed by
    /// `name`, which must differ between the branches of a model (`blocks.3.attn`).
    pub fn new(rate: f64, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if !(0.0..1.0).contains(&rate) {
            return Err(Error::Config {
                layer: "DropPath",
                reason: format!("the rate of `{name}` must be at least 0 and under 1, not {rate}"),
            });
        }
        Ok(Self { rate, name })
    }

    /// The factor of each sample of the batch, 0 or 1 / (1 - rate); none where nothing is
    /// dropped.
    pub fn factors(&self, batch: usize, pass: &Pass) -> Result<Option<Vec<f64>>> {
        let Some(draws) = pass.draws().filter(|_| self.rate > 0.0) else {
            return Ok(None);
        };
        if draws.batch() != batch {
            return Err(Error::Config {
                layer: "DropPath",
                reason: format!(
                    "the pass names {} samples but the batch has {batch}",
                    draws.batch()
                ),
            });
        }
        let keep = 1.0 - self.rate;
        let factor = |kept: bool| if kept { 1.0 / keep } else { 0.0 };
        let keeps = draws.keeps(&self.name, keep);
        Ok(Some(keeps.into_iter().map(factor).collect()))
    }
}
