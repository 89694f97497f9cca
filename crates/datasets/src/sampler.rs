//! Which images make up which batch.

use spectralkd_base::random::Stream;

use crate::{DatasetError, Result};

/// The order in which an epoch goes through the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they come: 0, 1, 2, ... in every epoch.
    Sequential,
    /// A permutation drawn from this seed and the number of the epoch.
    Shuffled {
        /// The seed.
        seed: u64,
    },
}

/// Everything a [`Sampler`] can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerOptions {
    /// The images of the set.
    pub len: usize,
    /// The images of one batch on one rank.
    pub batch: usize,
    /// Their order.
    pub order: Order,
    /// The number of this process, below `world`.
    pub rank: usize,
    /// How many processes share the set.
    pub world: usize,
    /// Whether to leave out the last batch of an epoch where it is not full, as torch's
    /// `DataLoader(drop_last=True)`.
    pub drop_last: bool,
}

/// Deals the images of a set into batches, epoch by epoch.
///
/// Each epoch's order is dealt out like cards: rank `r` of `world` gets items `r`,
/// `r + world`, `r + 2 world`, ... So step `s` of all ranks together takes the very images
/// that one process with batches of `world * batch` would take. Shuffled orders are made
/// divisible by `world`, so that all ranks take the same number of steps: shortened with
/// `drop_last`, else lengthened with images from their own beginning (as torch's
/// `DistributedSampler`). Sequential orders are not: over all ranks every image comes once,
/// as an evaluation needs it (with `drop_last`, they are shortened too).
///
/// ```
/// use spectralkd_datasets::Sampler;
///
/// let training = Sampler::shuffled(10, 4, 0, 0, 1)?;
/// assert_eq!(training.epoch(0).len(), 2); // two full batches; two images wait for another epoch
/// assert_ne!(training.epoch(0), training.epoch(1));
///
/// let evaluation = Sampler::sequential(10, 4)?;
/// assert_eq!(evaluation.epoch(0), [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
/// # Ok::<(), spectralkd_datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    options: SamplerOptions,
}

impl Sampler {
    /// A sampler with these options.
    ///
    /// # Errors
    /// [`DatasetError::Sampler`] where they do not go together: no images, a batch of none,
    /// a rank not below the world, fewer images than ranks, or, with `drop_last`, batches
    /// of which not one can be filled; [`DatasetError::TooManyImages`].
    pub fn new(options: SamplerOptions) -> Result<Self> {
        let SamplerOptions {
            len,
            batch,
            rank,
            world,
            drop_last,
            ..
        } = options;
        let wrong = |reason: String| Err(DatasetError::Sampler { reason });
        if len == 0 || batch == 0 {
            return wrong(format!(
                "the set has {len} images and a batch {batch}; both must be at least 1"
            ));
        }
        if u32::try_from(len).is_err() {
            return Err(DatasetError::TooManyImages { images: len });
        }
        if rank >= world {
            return wrong(format!(
                "rank {rank} of {world} does not exist; ranks go from 0 to one below their number"
            ));
        }
        if len < world {
            return wrong(format!(
                "{len} images cannot be shared by {world} ranks; use at most {len} ranks"
            ));
        }
        if drop_last && len / world < batch {
            return wrong(format!(
                "a rank has {} images ({len} shared by {world}), fewer than one batch of {batch}, \
                 and incomplete batches are dropped; use smaller batches or keep the last one",
                len / world
            ));
        }
        Ok(Self { options })
    }

    /// For training: batches of `batch` images in an order shuffled by (seed, epoch), of
    /// which this is the share of `rank` of `world` (0 of 1 for a single process).
    /// Incomplete batches are dropped; [`Sampler::new`] can keep them.
    ///
    /// # Errors
    /// As [`Sampler::new`].
    pub fn shuffled(
        len: usize,
        batch: usize,
        seed: u64,
        rank: usize,
        world: usize,
    ) -> Result<Self> {
        Self::new(SamplerOptions {
            len,
            batch,
            order: Order::Shuffled { seed },
            rank,
            world,
            drop_last: true,
        })
    }

    /// For evaluation: every image once, in order; the last batch may be smaller.
    ///
    /// # Errors
    /// As [`Sampler::new`].
    pub fn sequential(len: usize, batch: usize) -> Result<Self> {
        Self::new(SamplerOptions {
            len,
            batch,
            order: Order::Sequential,
            rank: 0,
            world: 1,
            drop_last: false,
        })
    }

    /// The options.
    pub fn options(&self) -> &SamplerOptions {
        &self.options
    }

    /// How many images this rank takes in an epoch, counting repeated ones.
    pub fn samples(&self) -> usize {
        let images = self.images_of_rank();
        if self.options.drop_last {
            images - images % self.options.batch
        } else {
            images
        }
    }

    /// How many batches this rank takes in an epoch.
    pub fn batches(&self) -> usize {
        self.samples().div_ceil(self.options.batch)
    }

    /// This rank's batches in this epoch: the same whenever and wherever they are asked for.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<u32>> {
        let indices = |batch: Vec<(u32, u32)>| batch.iter().map(|&(index, _)| index).collect();
        self.items(epoch).into_iter().map(indices).collect()
    }

    /// The same with, beside each image, how often the order of the epoch had it before: 0,
    /// but for images that lengthen it.
    pub(crate) fn items(&self, epoch: u64) -> Vec<Vec<(u32, u32)>> {
        let SamplerOptions {
            len,
            batch,
            order,
            rank,
            world,
            ..
        } = self.options;
        let order: Vec<u32> = match order {
            Order::Sequential => (0..len).map(|i| i as u32).collect(),
            Order::Shuffled { seed } => Stream::new(seed, "shuffle").at(epoch).permutation(len),
        };
        let dealt = (rank..).step_by(world).take(self.samples());
        let mine: Vec<(u32, u32)> = dealt
            .map(|place| (order[place % len], (place / len) as u32))
            .collect();
        mine.chunks(batch).map(<[_]>::to_vec).collect()
    }

    /// The images dealt to this rank, before an incomplete batch is dropped.
    fn images_of_rank(&self) -> usize {
        let SamplerOptions {
            len,
            order,
            rank,
            world,
            drop_last,
            ..
        } = self.options;
        match order {
            _ if drop_last => len / world,
            Order::Shuffled { .. } => len.div_ceil(world),
            Order::Sequential => (len - rank).div_ceil(world),
        }
    }
}
