//! The learning rate over a run: linear warm-up, then half a cosine down to a floor.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::task::Step;

/// When the learning rate changes. With `f` the curve of [`Schedule::value`]:
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cadence {
    /// Epoch `e` runs at `f(max(e - 1, 0))`, `f` over epochs. This is what comes of calling
    /// timm's `scheduler.step(epoch)` *after* epoch `epoch`, as DeiT's training script and the
    /// paper's released code do: the first two epochs both run at the warm-up rate, and the
    /// last value of the curve is never used.
    #[default]
    EpochLagged,
    /// Epoch `e` runs at `f(e)`, `f` over epochs: timm's own training script, which calls
    /// `scheduler.step(epoch + 1)`.
    Epoch,
    /// Step `s` of the run runs at `f(s)`, `f` over steps (timm's `t_in_epochs=False`).
    Step,
}

/// The learning rate of every step of a run.
///
/// ```
/// use spectralkd_trainer::{Schedule, Step, TrainConfig};
///
/// // The paper's recipe: two epochs at the warm-up rate, and the peak is reached in epoch 6.
/// let schedule = Schedule::new(&TrainConfig::default(), 2502);
/// let at = |epoch| schedule.at(Step { epoch, step_in_epoch: 0, global: epoch * 2502 });
/// assert_eq!((at(0), at(1)), (1e-6, 1e-6));
/// assert!(at(6) > at(5) && at(6) > at(7));
/// assert!(at(399) > 1e-5);
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    peak: f64,
    floor: f64,
    warmup_lr: f64,
    /// In units of the curve: epochs or steps.
    warmup: u64,
    length: u64,
    cadence: Cadence,
}

impl Schedule {
    /// The schedule of a configuration; `steps_per_epoch` matters to [`Cadence::Step`] only.
    pub fn new(config: &TrainConfig, steps_per_epoch: u64) -> Self {
        let unit = match config.schedule {
            Cadence::EpochLagged | Cadence::Epoch => 1,
            Cadence::Step => steps_per_epoch,
        };
        Self {
            peak: config.lr,
            floor: config.min_lr,
            warmup_lr: config.warmup_lr,
            warmup: config.warmup_epochs.saturating_mul(unit),
            length: config.epochs.saturating_mul(unit),
            cadence: config.schedule,
        }
    }

    /// The learning rate of a step.
    pub fn at(&self, step: Step) -> f64 {
        match self.cadence {
            Cadence::EpochLagged => self.value(step.epoch.saturating_sub(1)),
            Cadence::Epoch => self.value(step.epoch),
            Cadence::Step => self.value(step.global),
        }
    }

    /// The curve at `t`: `CosineLRScheduler._get_lr` of timm with one cycle and no warm-up
    /// prefix. For `t` below the warm-up, `warmup_lr + t (peak - warmup_lr) / warmup`; then
    /// `floor + (peak - floor) (1 + cos(pi t / length)) / 2`, with `t` still counted from the
    /// start of the run; from `length` on, the floor.
    pub fn value(&self, t: u64) -> f64 {
        if t < self.warmup {
            self.warmup_lr + t as f64 * ((self.peak - self.warmup_lr) / self.warmup as f64)
        } else if t < self.length {
            let angle = PI * t as f64 / self.length as f64;
            self.floor + 0.5 * (self.peak - self.floor) * (1.0 + angle.cos())
        } else {
            self.floor
        }
    }
}
