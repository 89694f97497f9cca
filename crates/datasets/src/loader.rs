//! Batches of views: made now, or ahead of their use by threads of their own.

mod source;
mod stream;
mod workers;

use std::iter;
use std::sync::Arc;

use crate::{Batch, BatchRequest, Dataset, DatasetError, Pipeline, Result};

use source::Source;
pub use stream::Batches;

/// Makes batches. A batch depends on the set, the pipeline and the request alone.
///
/// With `workers` above 0 the views of a batch are shared out to that many OS threads of the
/// stream's own. No thread pool of the caller takes part: a pool whose threads wait for one
/// another (rayon's) would steal this work into the middle of a training step.
///
/// ```
/// use std::sync::Arc;
/// use spectralkd_datasets::{Geometry, ImageSet, Loader, Pipeline, Sampler};
///
/// let classes = vec!["dark".to_owned(), "light".to_owned()];
/// let set = ImageSet::new([1, 2, 2], (0..24).collect(), vec![0, 0, 0, 1, 1, 1], classes)?;
/// let pipeline = Pipeline { flip: 0.5, ..Pipeline::new([2, 2], 1, Geometry::AsIs) };
/// let loader = Loader::new(Arc::new(set), Arc::new(pipeline), 2, 3)?;
///
/// let sampler = Sampler::shuffled(6, 2, 7, 0, 1)?;
/// for batch in loader.stream(sampler.from(0, 0)).take(9) {
///     let batch = batch?; // an image that cannot be read is an error here, at its batch
///     assert_eq!((batch.len(), batch.shape), (2, [2, 1, 2, 2]));
/// }
/// # Ok::<(), spectralkd_datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Loader {
    source: Arc<Source>,
    workers: usize,
    ahead: usize,
}

impl Loader {
    /// Batches of this set's views, made by `workers` threads, or in the caller's for 0. At
    /// most `ahead` batches (at least 1 where there are workers) are begun or wait beside
    /// those that the caller has taken: that is what bounds the memory.
    ///
    /// # Errors
    /// Those of [`Pipeline::check`]; [`DatasetError::NoImages`] for a set of none,
    /// [`DatasetError::Loader`] if workers may work on no batch.
    pub fn new(
        dataset: Arc<dyn Dataset>,
        pipeline: Arc<Pipeline>,
        workers: usize,
        ahead: usize,
    ) -> Result<Self> {
        pipeline.check()?;
        if dataset.is_empty() {
            return Err(DatasetError::NoImages);
        }
        if workers > 0 && ahead == 0 {
            return Err(DatasetError::Loader {
                reason: format!(
                    "{workers} workers with no batch ahead; give at least 1, or no workers"
                ),
            });
        }
        Ok(Self {
            source: Arc::new(Source {
                classes: dataset.classes().len(),
                dataset,
                pipeline,
            }),
            workers,
            ahead,
        })
    }

    /// The set behind the batches.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.source.dataset
    }

    /// What makes its views.
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.source.pipeline
    }

    /// This batch, now. Its views are shared out to the workers too; they end with it.
    ///
    /// # Errors
    /// [`DatasetError::EmptyBatch`], [`DatasetError::Index`], the error of the first image that
    /// has one, or [`DatasetError::Panic`] if the set's code panics.
    pub fn batch(&self, request: &BatchRequest) -> Result<Batch> {
        if self.workers == 0 {
            return self.source.batch(request);
        }
        let mut batches = self.stream(iter::once(request.clone()));
        batches.next().unwrap_or(Err(DatasetError::EmptyBatch))
    }

    /// These batches, in their order, made ahead of their use.
    ///
    /// An error comes in its batch's place, and the next batch after it. Dropping the stream
    /// stops its threads and waits until each has finished the image that it is at.
    pub fn stream(&self, requests: impl Iterator<Item = BatchRequest> + Send + 'static) -> Batches {
        Batches::new(self, Box::new(requests))
    }
}
