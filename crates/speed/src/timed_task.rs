//! A task of the trainer that looks at the clock.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Tensor, Var};
use spectralkd_base::random::Stream;
use spectralkd_losses::DistillationLoss;
use spectralkd_models::{ModelConfig, Taps, VisionModel};
use spectralkd_nn::Pass;
use spectralkd_trainer::{Cursor, Metrics, Parts, Step, Task, TaskError, decays};

use crate::case::{Length, Named};
use crate::drawn::{self, SEED};
use crate::runs::{Marks, Timing};

/// What a step of distillation has beside the student.
pub(crate) struct Guide {
    /// Computes its logits and features anew for every batch.
    pub teacher: Box<dyn VisionModel>,
    /// (student layer, teacher layer).
    pub pairs: Vec<(usize, usize)>,
}

/// A task that trains on one and the same batch and looks at the clock whenever it is asked for it.
pub(crate) struct Timed {
    /// In training.
    model: Box<dyn VisionModel>,
    /// Its sizes.
    config: ModelConfig,
    /// Its variables.
    pub vars: BTreeMap<String, Var>,
    /// The teacher, where there is one.
    guide: Option<Guide>,
    /// The loss.
    loss: DistillationLoss,
    /// The batch.
    images: Tensor,
    /// Its labels.
    labels: Tensor,
    /// Its numbers, which key the drop path.
    pub samples: Vec<u32>,
    /// Steps.
    length: Length,
    /// When each step began, and the last one ended.
    marks: Marks,
    /// Known after the last step.
    pub timing: Option<Timing>,
}

impl Timed {
    /// Of a student drawn anew, for as many steps as `length` has runs.
    ///
    /// # Errors
    /// The model cannot be built.
    pub fn new(
        student: &Named,
        guide: Option<Guide>,
        loss: DistillationLoss,
        batch: usize,
        length: Length,
    ) -> crate::Result<Self> {
        let (model, vars) = drawn::trainable(&student.config)?;
        Ok(Self {
            model,
            config: student.config.clone(),
            vars,
            guide,
            loss,
            images: drawn::images(&student.config, batch)?,
            labels: drawn::labels(&student.config, batch)?,
            samples: (0..batch as u32).collect(),
            length,
            marks: Marks::default(),
            timing: None,
        })
    }
}

impl Task for Timed {
    type Batch = (Tensor, Tensor);

    fn steps_per_epoch(&self) -> u64 {
        self.length.all() as u64
    }

    fn start(&self) -> Cursor {
        Cursor(serde_json::Value::Null)
    }

    fn next(&mut self, cursor: &Cursor) -> Result<(Self::Batch, Cursor), TaskError> {
        self.marks.mark();
        Ok(((self.images.clone(), self.labels.clone()), cursor.clone()))
    }

    fn loss(&mut self, (images, labels): &Self::Batch, step: Step) -> Result<Parts, TaskError> {
        let stream = Stream::new(SEED, "drop path").at(step.global);
        let pass = Pass::train(&stream, &self.samples);
        let parts = match &self.guide {
            None => {
                let output = self.model.forward(images, &Taps::None, &pass)?;
                self.loss.forward(&output.logits, labels, None, &[])?
            }
            Some(Guide { teacher, pairs }) => {
                let (ours, theirs): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
                let target =
                    teacher.forward(images, &theirs.into_iter().collect(), &Pass::eval())?;
                let output = self
                    .model
                    .forward(images, &ours.into_iter().collect(), &pass)?;
                // Both lists ascend and so do the features: they pair up as they stand.
                let maps = output.features.into_iter().zip(target.features);
                let maps: Vec<_> = maps
                    .map(|((_, ours), (_, theirs))| (ours, theirs))
                    .collect();
                let target = Some(&target.logits);
                self.loss.forward(&output.logits, labels, target, &maps)?
            }
        };
        let named = parts.parts.into_iter();
        Ok(Parts {
            total: parts.total,
            parts: named.map(|(name, t)| (name.to_owned(), t)).collect(),
            samples: self.samples.len() as u64,
        })
    }

    fn trainable(&self) -> &BTreeMap<String, Var> {
        &self.vars
    }

    fn decays(&self, name: &str, rank: usize) -> bool {
        decays(name, rank, &self.model.info().no_weight_decay)
    }

    fn zero_gradient(&self, name: &str) -> Option<Range<usize>> {
        self.config.zero_gradient(name)
    }

    /// Measures nothing: this is the end of the last step.
    fn evaluate(&mut self, _epoch: u64) -> Result<Metrics, TaskError> {
        self.marks.mark();
        self.timing = Some(self.marks.timing(self.length.warmup));
        Ok(Metrics::new())
    }
}
