//! Steps that were made and whose numbers the host has not read yet.

use std::collections::BTreeMap;
use std::time::Instant;

use candle_core::Tensor;

use crate::error::{Error, NonFinite, Result};
use crate::events::StepRecord;
use crate::measured::Measured;
use crate::reads::Reads;
use crate::task::{Cursor, Step};

/// A step, its place and its numbers on the device.
pub(crate) struct Unread {
    pub step: Step,
    pub lr: f64,
    /// The cursor after it.
    pub cursor: Cursor,
    /// When it began.
    pub clock: Instant,
    /// How long the host was busy with it.
    pub seconds: f64,
    pub measured: Measured,
    /// The optimiser's counts of updates before it.
    pub counts: Vec<u64>,
}

/// The numbers of a step.
pub(crate) struct Numbers {
    pub total: f64,
    pub parts: BTreeMap<String, f64>,
    /// The sum of squares of each gradient.
    squares: Vec<f64>,
    samples: u64,
}

/// Brings the numbers of all these steps to the host, in one read.
pub(crate) fn read(steps: &[Unread], reads: &Reads) -> Result<Vec<Numbers>> {
    let rows: Vec<&Tensor> = steps.iter().map(|unread| &unread.measured.row).collect();
    let failed = || Error::tensor("reading the numbers of the steps");
    let all = match rows.as_slice() {
        [] => return Ok(Vec::new()),
        [row] => reads.numbers(row),
        rows => Tensor::cat(rows, 0).and_then(|all| reads.numbers(&all)),
    };
    let mut rest = all.map_err(failed())?.into_iter();
    let numbers = steps.iter().map(|Unread { measured, .. }| {
        let mut take = |n: usize| -> Vec<f64> { rest.by_ref().take(n).collect() };
        let total = take(1).first().copied().unwrap_or(f64::NAN);
        let squares = take(measured.gradients.len());
        let parts = measured.parts.iter().cloned();
        let parts = parts.zip(take(measured.parts.len())).collect();
        let samples = take(1).first().map_or(0, |n| n.round() as u64);
        Numbers {
            total,
            parts,
            squares,
            samples,
        }
    });
    Ok(numbers.collect())
}

impl Numbers {
    /// An error with all that is known of the step, unless its loss and gradients are finite.
    pub(crate) fn check(&self, unread: &Unread) -> Result<()> {
        self.check_loss(unread)?;
        let of_names = unread.measured.gradients.iter().zip(&self.squares);
        match of_names.into_iter().find(|(_, x)| !x.is_finite()) {
            Some((name, square)) => {
                let what = format!("the gradient of `{name}`");
                Err(self.not_finite(what, square.sqrt(), unread))
            }
            None => Ok(()),
        }
    }

    /// The same of its loss alone.
    pub(crate) fn check_loss(&self, unread: &Unread) -> Result<()> {
        match self.total.is_finite() {
            true => Ok(()),
            false => Err(self.not_finite("the loss".into(), self.total, unread)),
        }
    }

    fn not_finite(&self, what: String, value: f64, unread: &Unread) -> Error {
        let mut losses = vec![("total".to_string(), self.total)];
        losses.extend(self.parts.iter().map(|(name, x)| (name.clone(), *x)));
        Error::NonFinite(Box::new(NonFinite {
            what,
            value,
            step: unread.step,
            lr: unread.lr,
            losses,
            checkpoint: None,
        }))
    }

    pub(crate) fn record(self, unread: &Unread) -> StepRecord {
        StepRecord {
            step: unread.step.global + 1,
            epoch: unread.step.epoch,
            step_in_epoch: unread.step.step_in_epoch,
            lr: unread.lr,
            loss: self.total,
            parts: self.parts,
            grad_norm: self.squares.iter().sum::<f64>().sqrt(),
            samples: self.samples,
            seconds: unread.seconds,
        }
    }
}
