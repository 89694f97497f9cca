//! Where a run stands, apart from its tensors: what the sidecar of a checkpoint holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::events::{EpochRecord, StepRecord};
use crate::numbers;
use crate::task::{Cursor, Metrics, Step};

/// The place in the run and its history. There is no generator to save: random draws are
/// functions of the place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Steps made so far.
    pub step: u64,
    /// The present epoch, from 0; the number of epochs once all are done.
    pub epoch: u64,
    /// Steps made in it.
    pub step_in_epoch: u64,
    /// The cursor of the next batch.
    pub cursor: Cursor,
    /// Sums over the present epoch.
    pub running: Running,
    /// The epochs made so far.
    pub history: Vec<EpochRecord>,
}

/// Sums over the steps of an unfinished epoch, as exact as they are in memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    samples: u64,
    #[serde(with = "numbers")]
    loss: f64,
    /// Sum of value times samples, and sum of samples, by name.
    #[serde(with = "numbers::map")]
    parts: BTreeMap<String, f64>,
    part_samples: BTreeMap<String, u64>,
    #[serde(with = "numbers")]
    grad_norm: f64,
    lr: f64,
    seconds: f64,
}

impl State {
    /// The beginning of a run.
    pub(crate) fn start(cursor: Cursor) -> Self {
        Self {
            step: 0,
            epoch: 0,
            step_in_epoch: 0,
            cursor,
            running: Running::default(),
            history: Vec::new(),
        }
    }

    /// The step to be made.
    pub(crate) fn next(&self) -> Step {
        Step {
            epoch: self.epoch,
            step_in_epoch: self.step_in_epoch,
            global: self.step,
        }
    }

    /// A step was made; the next batch stands at `cursor`.
    pub(crate) fn advance(&mut self, record: &StepRecord, cursor: Cursor) {
        let sums = &mut self.running;
        let weight = record.samples as f64;
        sums.samples += record.samples;
        sums.loss += record.loss * weight;
        for (name, value) in &record.parts {
            *sums.parts.entry(name.clone()).or_default() += value * weight;
            *sums.part_samples.entry(name.clone()).or_default() += record.samples;
        }
        sums.grad_norm += record.grad_norm;
        sums.lr = record.lr;
        sums.seconds += record.seconds;
        self.step += 1;
        self.step_in_epoch += 1;
        self.cursor = cursor;
    }

    /// The epoch is over and was evaluated: its record, which the history has too.
    pub(crate) fn close_epoch(&mut self, metrics: Metrics) -> EpochRecord {
        let sums = std::mem::take(&mut self.running);
        let mean = |sum: f64, count: u64| if count == 0 { 0.0 } else { sum / count as f64 };
        let parts = sums
            .parts
            .iter()
            .map(|(name, sum)| {
                (
                    name.clone(),
                    mean(*sum, sums.part_samples.get(name).copied().unwrap_or(0)),
                )
            })
            .collect();
        let record = EpochRecord {
            epoch: self.epoch,
            step: self.step,
            lr: sums.lr,
            loss: mean(sums.loss, sums.samples),
            parts,
            grad_norm: mean(sums.grad_norm, self.step_in_epoch),
            metrics,
            samples: sums.samples,
            seconds: sums.seconds,
            samples_per_second: if sums.seconds > 0.0 {
                sums.samples as f64 / sums.seconds
            } else {
                0.0
            },
        };
        self.epoch += 1;
        self.step_in_epoch = 0;
        self.history.push(record.clone());
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_weigh_steps_by_their_samples() {
        let mut state = State::start(Cursor(0.into()));
        for (loss, samples, kd) in [(1.0, 30, Some(4.0)), (4.0, 10, None)] {
            let record = StepRecord {
                step: state.step + 1,
                epoch: 0,
                step_in_epoch: state.step_in_epoch,
                lr: 0.1,
                loss,
                parts: kd.map(|x| ("kd".to_string(), x)).into_iter().collect(),
                grad_norm: loss,
                samples,
                seconds: 2.0,
            };
            state.advance(&record, Cursor((state.step + 1).into()));
        }
        // What a checkpoint keeps gives the same record.
        let text = serde_json::to_string(&state).unwrap();
        let mut again: State = serde_json::from_str(&text).unwrap();
        assert_eq!(again, state);

        let record = state.close_epoch(Metrics::new());
        assert_eq!(record, again.close_epoch(Metrics::new()));
        assert_eq!(record.loss, 1.75);
        assert_eq!(record.parts["kd"], 4.0);
        assert_eq!(record.grad_norm, 2.5);
        assert_eq!((record.samples, record.samples_per_second), (40, 10.0));
        assert_eq!((state.epoch, state.step_in_epoch, state.step), (1, 0, 2));
    }
}
