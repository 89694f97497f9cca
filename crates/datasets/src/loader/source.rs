//! The parts of a batch, and the batch out of its parts.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::erase::ErasedBox;
use crate::pipeline::Finish;
use crate::{Batch, BatchRequest, Dataset, DatasetError, Pipeline, Result, ViewKey};

/// Where views come from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) dataset: Arc<dyn Dataset>,
    pub(super) pipeline: Arc<Pipeline>,
    /// How many classes the set has.
    pub(super) classes: usize,
}

/// Some neighbouring views of a batch.
#[derive(Default)]
pub(super) struct Part {
    views: Vec<u8>,
    flipped: Vec<bool>,
    erased: Vec<Vec<ErasedBox>>,
    labels: Vec<Option<u32>>,
}

/// The first error of a part: at which place of the batch, and what.
pub(super) type Failure = (usize, DatasetError);

impl Source {
    /// The batch, in this thread.
    pub(super) fn batch(&self, request: &BatchRequest) -> Result<Batch> {
        let all = 0..request.items.len();
        let part = self.part(request, all, &AtomicBool::new(false));
        let part = part.map_err(|(_, error)| error)?;
        self.assemble(request, vec![part])
    }

    /// The views at these places of the batch, or the first error among them; fewer where
    /// `stop` is set meanwhile.
    pub(super) fn part(
        &self,
        request: &BatchRequest,
        places: Range<usize>,
        stop: &AtomicBool,
    ) -> std::result::Result<Part, Failure> {
        let size: usize = self.pipeline.shape().iter().product();
        let mut part = Part {
            views: vec![0; places.len() * size],
            ..Part::default()
        };
        let keys = request.keys().enumerate();
        let keys = keys.skip(places.start).take(places.len());
        for (levels, (place, key)) in part.views.chunks_exact_mut(size).zip(keys) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let view = catch_unwind(AssertUnwindSafe(|| self.view(&key, levels)));
            let view = view.unwrap_or_else(|panic| {
                Err(DatasetError::Panic {
                    at: self.name(key.index),
                    message: message(panic.as_ref()),
                })
            });
            let (finish, label) = view.map_err(|error| (place, error))?;
            part.flipped.push(finish.flip);
            part.erased.push(finish.erased);
            part.labels.push(label);
        }
        Ok(part)
    }

    /// Writes the levels of one view; gives what finishes it, and its label.
    fn view(&self, key: &ViewKey, levels: &mut [u8]) -> Result<(Finish, Option<u32>)> {
        let index = key.index as usize;
        let dataset = &self.dataset;
        dataset.check(index)?;
        let sample = dataset.sample(index)?;
        let name = || dataset.name(index);
        let finish = self.pipeline.fill(&sample, key, &name, levels)?;
        Ok((finish, dataset.label(index)))
    }

    /// What an image is called, even if the code that says so panics too.
    fn name(&self, index: u32) -> String {
        let name = AssertUnwindSafe(|| self.dataset.name(index as usize));
        catch_unwind(name).unwrap_or_else(|_| format!("image {index}"))
    }

    /// The batch of all its parts, in order.
    pub(super) fn assemble(&self, request: &BatchRequest, parts: Vec<Part>) -> Result<Batch> {
        let whole = parts.into_iter().reduce(|mut whole, mut part| {
            whole.views.append(&mut part.views);
            whole.flipped.append(&mut part.flipped);
            whole.erased.append(&mut part.erased);
            whole.labels.append(&mut part.labels);
            whole
        });
        let count = request.items.len();
        let whole = whole.unwrap_or_default();
        let [channels, height, width] = self.pipeline.shape();
        let (seed, epoch, number) = (request.seed, request.epoch, request.number);
        let batch = Batch {
            epoch,
            number,
            keys: request.keys().collect(),
            shape: [count, channels, height, width],
            views: whole.views,
            flipped: whole.flipped,
            erased: whole.erased,
            mixing: self.pipeline.mixing(seed, epoch, number, count),
            labels: whole.labels.into_iter().collect(),
            classes: self.classes,
        };
        batch.check()?;
        Ok(batch)
    }
}

/// What a panic says.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
