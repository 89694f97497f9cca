//! The trainer's [`Task`] of this crate: a classifier, its images, its loss and, where it distils, its teacher.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use spectralkd_base::random::Stream;
use spectralkd_datasets::{Augment, Batch, Loader, Sampler};
use spectralkd_losses::DistillationLoss;
use spectralkd_models::{ModelConfig, Taps, VisionModel};
use spectralkd_nn::Pass;
use spectralkd_trainer::{Cursor, Metrics, Parts, Step, Task, TaskError, decays};

use crate::analysis::Analysis;
use crate::cache::{Target, TeacherCache};
use crate::data::Images;
use crate::scoring::score;

/// The metric of the last epoch that counts: top-1 on all test images, in percent.
pub const TEST_TOP1: &str = "test.top1";
/// Top-5 on all test images after the last epoch, in percent.
pub const TEST_TOP5: &str = "test.top5";
/// Cross-entropy on all test images after the last epoch, in nats.
pub const TEST_LOSS: &str = "test.loss";

/// What guides the student besides the labels.
pub struct Guide {
    /// The teacher's outputs on the training images.
    pub cache: Arc<TeacherCache>,
    /// (student block, teacher block) of the feature loss; empty without one.
    pub pairs: Vec<(usize, usize)>,
    /// The teacher's weights, for the audit that finds gradients where none may be.
    pub frozen: BTreeMap<String, Tensor>,
}

/// The images of a run, and their order.
pub struct Feed {
    /// Training images, with augmentation.
    pub train: Loader,
    /// Order of the training images.
    pub sampler: Sampler,
    /// Test images.
    pub test: Loader,
    /// The test images of the learning curve.
    pub curve: Loader,
    /// Images per step in evaluation.
    pub eval_batch: usize,
    epoch: Option<(u64, Vec<Vec<u32>>)>,
}

impl Feed {
    /// A feed that shuffles and flips by `seed`.
    ///
    /// # Errors
    /// The normalisation does not fit the images, or there are fewer images than a batch takes.
    pub fn new(
        images: &Images,
        flip: bool,
        batch: usize,
        eval_batch: usize,
        seed: u64,
    ) -> crate::error::Result<Self> {
        let train = Arc::clone(&images.train);
        let normalise = images.normalise.clone();
        Ok(Self {
            sampler: Sampler::shuffled(train.len(), batch, seed, 0, 1)?,
            train: Loader::new(train, normalise, Augment { flip }, seed)?,
            test: images.plain(&images.test)?,
            curve: images.plain(&images.curve)?,
            eval_batch,
            epoch: None,
        })
    }

    /// The images of a batch of an epoch; `None` past the last.
    fn indices(&mut self, epoch: u64, batch: usize) -> Option<&[u32]> {
        if self.epoch.as_ref().is_none_or(|(e, _)| *e != epoch) {
            self.epoch = Some((epoch, self.sampler.epoch(epoch)));
        }
        self.epoch
            .as_ref()
            .and_then(|(_, batches)| batches.get(batch))
            .map(Vec::as_slice)
    }
}

/// A classifier in training.
pub struct ClassifierTask {
    /// The classifier.
    pub model: Box<dyn VisionModel>,
    /// Its parameters.
    pub trainable: BTreeMap<String, Var>,
    /// Its sizes, where it is a transformer: they name the parameters without a gradient.
    pub config: Option<ModelConfig>,
    /// The images.
    pub feed: Feed,
    /// The loss.
    pub loss: DistillationLoss,
    /// The teacher.
    pub guide: Option<Guide>,
    /// Measures the student's spectra against the teacher's after every epoch.
    pub analysis: Option<Arc<Analysis>>,
    /// Epochs of the run; after the last one all test images are used.
    pub epochs: u64,
    /// Seed of the run: weights, order, flips and drop path.
    pub seed: u64,
    /// What makes this task this task; kept in checkpoints.
    pub identity: serde_json::Value,
}

/// Where the task stands in its data.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Position {
    epoch: u64,
    batch: usize,
}

impl ClassifierTask {
    /// Blocks of the student whose features the loss needs.
    fn taps(&self) -> Taps {
        match &self.guide {
            Some(guide) if !guide.pairs.is_empty() => guide.pairs.iter().map(|(s, _)| *s).collect(),
            _ => Taps::None,
        }
    }

    /// The pairs (student features, pooled teacher features) of a batch.
    fn pairs(
        &self,
        guide: &Guide,
        batch: &Batch,
        features: &[(usize, Tensor)],
    ) -> Result<Vec<(Tensor, Tensor)>, TaskError> {
        let mut pairs = Vec::with_capacity(guide.pairs.len());
        for &(student, teacher) in &guide.pairs {
            let Some((_, map)) = features.iter().find(|(block, _)| *block == student) else {
                return Err(format!("the student gave no features of block {student}").into());
            };
            let target = Target {
                block: teacher,
                channels: map.dim(1)?,
            };
            let (indices, flipped) = (&batch.indices, &batch.flipped);
            let target = guide.cache.features(target, indices, flipped)?;
            pairs.push((map.clone(), target));
        }
        Ok(pairs)
    }
}

impl Task for ClassifierTask {
    type Batch = Batch;

    fn identity(&self) -> serde_json::Value {
        self.identity.clone()
    }

    fn steps_per_epoch(&self) -> u64 {
        self.feed.sampler.batches() as u64
    }

    fn start(&self) -> Cursor {
        cursor(Position { epoch: 0, batch: 0 })
    }

    fn next(&mut self, at: &Cursor) -> Result<(Batch, Cursor), TaskError> {
        let mut position: Position = serde_json::from_value(at.0.clone())?;
        let batches = self.feed.sampler.batches();
        let Some(indices) = self.feed.indices(position.epoch, position.batch) else {
            return Err(format!(
                "there is no batch {} in an epoch of {batches}",
                position.batch
            )
            .into());
        };
        let indices = indices.to_vec();
        let batch = self.feed.train.batch(position.epoch, &indices)?;
        position.batch += 1;
        if position.batch == batches {
            position = Position {
                epoch: position.epoch + 1,
                batch: 0,
            };
        }
        Ok((batch, cursor(position)))
    }

    fn loss(&mut self, batch: &Batch, step: Step) -> Result<Parts, TaskError> {
        let stream = Stream::new(self.seed, "drop path").at(step.global);
        let keys: Vec<u64> = batch.indices.iter().map(|&index| index.into()).collect();
        let pass = Pass::train(&stream, &keys);
        let output = self.model.forward(&batch.images, &self.taps(), &pass)?;
        let parts = match &self.guide {
            None => self
                .loss
                .forward(&output.logits, &batch.labels, None, &[])?,
            Some(guide) => {
                let logits = guide.cache.logits(&batch.indices, &batch.flipped)?;
                let pairs = self.pairs(guide, batch, &output.features)?;
                self.loss
                    .forward(&output.logits, &batch.labels, Some(&logits), &pairs)?
            }
        };
        Ok(Parts {
            total: parts.total,
            parts: parts
                .parts
                .into_iter()
                .map(|(name, t)| (name.to_owned(), t))
                .collect(),
            samples: batch.indices.len() as u64,
        })
    }

    fn trainable(&self) -> &BTreeMap<String, Var> {
        &self.trainable
    }

    fn frozen(&self) -> &BTreeMap<String, Tensor> {
        static NONE: BTreeMap<String, Tensor> = BTreeMap::new();
        self.guide.as_ref().map_or(&NONE, |guide| &guide.frozen)
    }

    fn decays(&self, name: &str, rank: usize) -> bool {
        let listed: &BTreeSet<String> = &self.model.info().no_weight_decay;
        decays(name, rank, listed)
    }

    fn zero_gradient(&self, name: &str) -> Option<Range<usize>> {
        self.config.as_ref().and_then(|c| c.zero_gradient(name))
    }

    /// After every epoch `top1` (percent) and `loss` on the images of the learning curve, and the
    /// distances from the teacher; after the last also `test.top1`, `test.top5` (percent) and
    /// `test.loss` on all test images.
    fn evaluate(&mut self, epoch: u64) -> Result<Metrics, TaskError> {
        let curve = score(
            self.model.as_ref(),
            &self.feed.curve,
            self.feed.eval_batch,
            None,
        )?;
        let mut metrics = Metrics::from([
            ("top1".to_owned(), 100.0 * curve.top1()?),
            ("loss".to_owned(), curve.loss()?),
        ]);
        if epoch + 1 == self.epochs {
            let test = score(
                self.model.as_ref(),
                &self.feed.test,
                self.feed.eval_batch,
                None,
            )?;
            metrics.insert(TEST_TOP1.to_owned(), 100.0 * test.top1()?);
            metrics.insert(TEST_TOP5.to_owned(), 100.0 * test.top5()?);
            metrics.insert(TEST_LOSS.to_owned(), test.loss()?);
        }
        if let Some(analysis) = &self.analysis {
            metrics.extend(analysis.distances(self.model.as_ref())?);
        }
        Ok(metrics)
    }
}

fn cursor(position: Position) -> Cursor {
    Cursor(serde_json::json!({ "epoch": position.epoch, "batch": position.batch }))
}
