//! What is measured of a student after every epoch.

use std::sync::Arc;

use spectralkd_datasets::Loader;
use spectralkd_distillation::Student;
use spectralkd_trainer::{Metrics, TaskError, TrainConfig};

use crate::analysis::Analysis;
use crate::data::Images;
use crate::error::Result;
use crate::scoring::score;

/// The metric of the last epoch that counts: top-1 on all test images, in percent.
pub const TEST_TOP1: &str = "test.top1";
/// Top-5 on all test images after the last epoch, in percent.
pub const TEST_TOP5: &str = "test.top5";
/// Cross-entropy on all test images after the last epoch, in nats.
pub const TEST_LOSS: &str = "test.loss";

/// The images that a student is measured on, and the teacher's features there.
#[derive(Clone, Debug)]
pub struct Measured {
    test: Loader,
    curve: Loader,
    batch: usize,
    epochs: u64,
    analysis: Option<Arc<Analysis>>,
}

impl Measured {
    /// On the test images of an experiment; with `analysis` also the distances from the teacher.
    ///
    /// # Errors
    /// None, once the images are open.
    pub fn new(
        images: &Images,
        config: &TrainConfig,
        analysis: Option<Arc<Analysis>>,
    ) -> Result<Self> {
        Ok(Self {
            test: images.plain(&images.test)?,
            curve: images.plain(&images.curve)?,
            batch: config.eval_batch_size,
            epochs: config.epochs,
            analysis,
        })
    }

    /// After every epoch `top1` (percent) and `loss` on the images of the learning curve, and the
    /// distances from the teacher; after the last also `test.top1`, `test.top5` (percent) and
    /// `test.loss` on all test images.
    ///
    /// # Errors
    /// Reading images or a forward pass failed, or outputs are not finite.
    pub fn after(&self, student: &Student, epoch: u64) -> std::result::Result<Metrics, TaskError> {
        let score = |loader: &Loader| score(student, loader, self.batch);
        let curve = score(&self.curve)?;
        let mut metrics = Metrics::from([
            ("top1".to_owned(), 100.0 * curve.top1()?),
            ("loss".to_owned(), curve.loss()?),
        ]);
        if epoch + 1 == self.epochs {
            let test = score(&self.test)?;
            metrics.insert(TEST_TOP1.to_owned(), 100.0 * test.top1()?);
            metrics.insert(TEST_TOP5.to_owned(), 100.0 * test.top5()?);
            metrics.insert(TEST_LOSS.to_owned(), test.loss()?);
        }
        if let Some(analysis) = &self.analysis {
            metrics.extend(analysis.distances(student)?);
        }
        Ok(metrics)
    }
}
