//! The trainer's task: a student in training.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use candle_core::Var;
use spectralkd_datasets::Batch;
use spectralkd_losses::{Objectives, Outputs};
use spectralkd_trainer::{Cursor, Metrics, Parts, Step, Task, TaskError, decays};

use crate::error::Error;
use crate::feed::Feed;
use crate::step::{Targets, objective_terms};
use crate::student::Student;
use crate::teacher::Teacher;

/// Measures a student after an epoch (counted from 0).
pub type Measure = dyn FnMut(&Student, u64) -> Result<Metrics, TaskError> + Send;

/// A student that learns from labels and, where there is one, from a teacher.
pub struct Distillation {
    student: Student,
    teacher: Option<Arc<dyn Teacher>>,
    objectives: Objectives,
    feed: Feed,
    seed: u64,
    measure: Box<Measure>,
    identity: serde_json::Value,
    trainable: BTreeMap<String, Var>,
}

impl Distillation {
    /// A task that measures nothing. `objectives` are those of [`Student::objectives`]; `teacher` may be left out where
    /// none of them reads one. `seed` keys what is drawn in a step.
    pub fn new(
        student: Student,
        teacher: Option<Arc<dyn Teacher>>,
        objectives: Objectives,
        feed: Feed,
        seed: u64,
    ) -> Self {
        Self {
            trainable: student.trainable(),
            student,
            teacher,
            objectives,
            feed,
            seed,
            measure: Box::new(|_, _| Ok(Metrics::new())),
            identity: serde_json::Value::Null,
        }
    }

    /// What is measured after every epoch.
    pub fn measure(mut self, measure: Box<Measure>) -> Self {
        self.measure = measure;
        self
    }

    /// What makes this task this task; kept in checkpoints.
    pub fn identity(mut self, identity: serde_json::Value) -> Self {
        self.identity = identity;
        self
    }

    /// The student.
    pub fn student(&self) -> &Student {
        &self.student
    }
}

impl Task for Distillation {
    type Batch = Batch;

    fn identity(&self) -> serde_json::Value {
        self.identity.clone()
    }

    fn steps_per_epoch(&self) -> u64 {
        self.feed.batches() as u64
    }

    fn start(&self) -> Cursor {
        self.feed.start()
    }

    /// Losses that relate the images of a batch to each other are refused: over the parts of a batch they see fewer
    /// relations. Where images are mixed, they are mixed within a rank.
    fn share(&mut self, rank: usize, world: usize) -> Result<(), TaskError> {
        let relating = self.objectives.relating_images();
        if !relating.is_empty() {
            let reason = format!(
                "`{}` relates the images of a batch to each other, and a rank sees its own alone; leave the loss out, or                  train with one rank",
                relating.join("`, `")
            );
            return Err(Error::Shared { reason }.into());
        }
        Ok(self.feed.share(rank, world)?)
    }

    fn next(&mut self, at: &Cursor) -> Result<(Batch, Cursor), TaskError> {
        self.feed.next(at)
    }

    fn loss(&mut self, batch: &Batch, step: Step) -> Result<Parts, TaskError> {
        let device = self.student.device();
        let needs = self.objectives.needs_at(step.epoch);
        let taught = match &self.teacher {
            Some(teacher) if !needs.teacher.is_empty() => teacher.outputs(batch, &needs.teacher)?,
            _ => Outputs::default(),
        };
        let images = self.student.render.render(batch, device)?;
        let (labels, soft) = (batch.labels_tensor(device)?, batch.targets(device)?);
        let targets = Targets {
            labels: labels.as_ref(),
            soft: soft.as_ref(),
            keys: &batch.draw_keys(),
        };
        let at = (self.seed, step);
        let student = &self.student;
        let objectives = &self.objectives;
        Ok(objective_terms(
            student, &images, &taught, targets, objectives, at,
        )?)
    }

    fn trainable(&self) -> &BTreeMap<String, Var> {
        &self.trainable
    }

    fn decays(&self, name: &str, rank: usize) -> bool {
        decays(name, rank, &self.student.model.info().no_weight_decay)
    }

    fn zero_gradient(&self, name: &str, step: Step) -> Option<Range<usize>> {
        // A loss that is off has parameters without a gradient.
        if self
            .objectives
            .inactive(step.epoch)
            .iter()
            .any(|n| n == name)
        {
            return Some(0..usize::MAX);
        }
        let config = self.student.config.as_ref()?;
        config.zero_gradient(name)
    }

    fn evaluate(&mut self, epoch: u64) -> Result<Metrics, TaskError> {
        (self.measure)(&self.student, epoch)
    }
}
