//! A task of the trainer that looks at the clock.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Device, Tensor, Var};
use spectralkd_trainer::{Cursor, Metrics, Parts, Step, Task, TaskError};

use crate::case::Length;
use crate::runs::{Marks, Timing};

/// Another task, of as many steps as there are runs, which looks at the clock whenever it is asked for a batch.
pub(crate) struct Timed<T> {
    task: T,
    length: Length,
    device: Device,
    /// When each step began, and the last one ended.
    marks: Marks,
    /// Known after the last step.
    pub timing: Option<Timing>,
}

impl<T> Timed<T> {
    /// This task, all of its steps in one epoch, computed on this device.
    pub fn new(task: T, length: Length, device: &Device) -> Self {
        Self {
            task,
            length,
            device: device.clone(),
            marks: Marks::default(),
            timing: None,
        }
    }
}

impl<T: Task> Task for Timed<T> {
    type Batch = T::Batch;

    fn steps_per_epoch(&self) -> u64 {
        self.length.all() as u64
    }

    fn start(&self) -> Cursor {
        self.task.start()
    }

    fn next(&mut self, cursor: &Cursor) -> Result<(T::Batch, Cursor), TaskError> {
        self.marks.mark(&self.device)?;
        self.task.next(cursor)
    }

    fn loss(&mut self, batch: &T::Batch, step: Step) -> Result<Parts, TaskError> {
        self.task.loss(batch, step)
    }

    fn trainable(&self) -> &BTreeMap<String, Var> {
        self.task.trainable()
    }

    fn frozen(&self) -> &BTreeMap<String, Tensor> {
        self.task.frozen()
    }

    fn decays(&self, name: &str, rank: usize) -> bool {
        self.task.decays(name, rank)
    }

    fn zero_gradient(&self, name: &str, step: Step) -> Option<Range<usize>> {
        self.task.zero_gradient(name, step)
    }

    /// Measures nothing: this is the end of the last step.
    fn evaluate(&mut self, _epoch: u64) -> Result<Metrics, TaskError> {
        self.marks.mark(&self.device)?;
        self.timing = Some(self.marks.timing(self.length.warmup));
        Ok(Metrics::new())
    }
}
