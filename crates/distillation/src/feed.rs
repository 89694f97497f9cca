//! The views of a run, in order, from any cursor.

use serde::{Deserialize, Serialize};
use spectralkd_datasets::{Batch, Batches, Loader, Sampler, SamplerOptions};
use spectralkd_trainer::{Cursor, TaskError};

use crate::error::{Error, Result};

/// Which views a run takes, batch by batch, prefetched ahead of the cursor that checkpoints save.
///
/// A batch is a function of the cursor: going back to one gives the same batches again.
#[derive(Debug)]
pub struct Feed {
    loader: Loader,
    sampler: Sampler,
    stream: Option<(Position, Batches)>,
}

/// A place in a run. Counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    epoch: u64,
    batch: usize,
}

impl Feed {
    /// The batches of this sampler, whose seed is that of the views.
    pub fn new(loader: Loader, sampler: Sampler) -> Self {
        Self {
            loader,
            sampler,
            stream: None,
        }
    }

    /// Deals every batch out to `world` ranks, of which this is `rank`: each takes every `world`th image, so that all
    /// together take the images of the batch, and a cursor is the same for any number of ranks.
    ///
    /// # Errors
    /// [`Error::Shared`] where the batch cannot be dealt out evenly, or this feed is a part already; what
    /// [`Sampler::new`] says.
    pub fn share(&mut self, rank: usize, world: usize) -> Result<()> {
        let whole = *self.sampler.options();
        if whole.world != 1 {
            let (rank, world) = (whole.rank, whole.world);
            let reason = format!("these images are the part of rank {rank} of {world} already");
            return Err(Error::Shared { reason });
        }
        if !whole.batch.is_multiple_of(world) {
            let reason = format!(
                "batches of {} images cannot be dealt out evenly; make `batch_size` a multiple of {world}",
                whole.batch
            );
            return Err(Error::Shared { reason });
        }
        self.sampler = Sampler::new(SamplerOptions {
            batch: whole.batch / world,
            rank,
            world,
            ..whole
        })?;
        self.stream = None;
        Ok(())
    }

    /// Batches of an epoch.
    pub fn batches(&self) -> usize {
        self.sampler.batches()
    }

    /// The first batch of the first epoch.
    pub fn start(&self) -> Cursor {
        cursor(Position { epoch: 0, batch: 0 })
    }

    /// The batch at a cursor, and the cursor after it.
    ///
    /// # Errors
    /// A cursor of something else or beyond an epoch's end; an image that cannot be read.
    pub fn next(&mut self, at: &Cursor) -> std::result::Result<(Batch, Cursor), TaskError> {
        let position: Position = serde_json::from_value(at.0.clone())
            .map_err(|e| format!("the cursor {} is none of these images: {e}", at.0))?;
        if position.batch >= self.batches() {
            let (batch, batches) = (position.batch, self.batches());
            return Err(format!("there is no batch {batch} in an epoch of {batches}").into());
        }
        let (_, stream) = match self.stream.take().filter(|(next, _)| *next == position) {
            Some(stream) => self.stream.insert(stream),
            None => {
                let requests = self.sampler.from(position.epoch, position.batch as u64);
                self.stream.insert((position, self.loader.stream(requests)))
            }
        };
        let batch = stream.next().ok_or("the loader has ended")??;
        let next = if position.batch + 1 == self.batches() {
            Position {
                epoch: position.epoch + 1,
                batch: 0,
            }
        } else {
            Position {
                batch: position.batch + 1,
                ..position
            }
        };
        if let Some((place, _)) = &mut self.stream {
            *place = next;
        }
        Ok((batch, cursor(next)))
    }
}

fn cursor(position: Position) -> Cursor {
    Cursor(serde_json::json!({ "epoch": position.epoch, "batch": position.batch }))
}
