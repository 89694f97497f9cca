//! What a run leaves in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::Tensor;

use crate::events::EpochRecord;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All epochs were made (now, or by an earlier call in the same folder).
    Finished,
    /// The interrupt was raised; the next call in the same folder goes on.
    Interrupted,
}

/// The result of [`crate::train`].
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How the run ended.
    pub status: Status,
    /// Steps made over all calls.
    pub steps: u64,
    /// The step whose checkpoint this call went on from, if it did not begin the run.
    pub resumed_from: Option<u64>,
    /// Every epoch that was made, in order, over all calls.
    pub history: Vec<EpochRecord>,
    /// The trained parameters after the last step (never the best), in storage of their own, on
    /// the task's device.
    pub weights: BTreeMap<String, Tensor>,
    /// Their moving average, if the configuration asks for one.
    pub ema: Option<BTreeMap<String, Tensor>>,
    /// The sidecar of the newest checkpoint; none only if the run was interrupted before its
    /// first step.
    pub checkpoint: Option<PathBuf>,
}
