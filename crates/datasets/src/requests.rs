//! What a batch is made of, and the sequences of batches that training and evaluation ask for.

use crate::sampler::{Order, Sampler};
use crate::{Result, ViewKey};

/// Which views make up a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRequest {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// The number of the batch in the epoch, from 0.
    pub number: u64,
    /// The images, and which of their views in this epoch: (index, repeat).
    pub items: Vec<(u32, u32)>,
}

impl BatchRequest {
    /// These images for evaluation: seed, epoch, number and repeats are 0.
    pub fn plain(indices: &[u32]) -> Self {
        Self {
            seed: 0,
            epoch: 0,
            number: 0,
            items: indices.iter().map(|&index| (index, 0)).collect(),
        }
    }

    /// The keys of its views.
    pub fn keys(&self) -> impl Iterator<Item = ViewKey> {
        self.items.iter().map(|&(index, repeat)| ViewKey {
            seed: self.seed,
            epoch: self.epoch,
            index,
            repeat,
        })
    }
}

/// A sampler's batches, one after another: endless for training, once for evaluation. Keeps the
/// order of one epoch in memory.
#[derive(Clone, Debug)]
pub struct Requests {
    sampler: Sampler,
    /// The epoch after which it ends.
    last: Option<u64>,
    epoch: u64,
    /// The number of the next batch.
    next: usize,
    /// The batches of the epoch, once there was one to give.
    batches: Option<Vec<Vec<(u32, u32)>>>,
}

impl Sampler {
    /// The batches from this cursor on, without an end. The seed of a shuffled order is that of
    /// the views; that of a sequential one is 0.
    ///
    /// A number past the end of the epoch is in one of the next.
    ///
    /// ```
    /// use spectralkd_datasets::Sampler;
    ///
    /// let sampler = Sampler::shuffled(10, 4, 7, 0, 1)?;
    /// let mut requests = sampler.from(3, 1); // epoch 3, its second and last batch
    /// let [second, first] = [requests.next().unwrap(), requests.next().unwrap()];
    /// assert_eq!((second.seed, second.epoch, second.number), (7, 3, 1));
    /// assert_eq!((first.epoch, first.number), (4, 0));
    /// # Ok::<(), spectralkd_datasets::DatasetError>(())
    /// ```
    pub fn from(&self, epoch: u64, batch: u64) -> Requests {
        let batches = self.batches() as u64;
        Requests {
            sampler: self.clone(),
            last: None,
            epoch: epoch + batch / batches,
            next: (batch % batches) as usize,
            batches: None,
        }
    }

    /// Every image of `len` once and in order, `batch` at a time: for evaluation.
    ///
    /// # Errors
    /// As [`Sampler::new`].
    pub fn plain(len: usize, batch: usize) -> Result<Requests> {
        Ok(Requests {
            last: Some(0),
            ..Self::sequential(len, batch)?.from(0, 0)
        })
    }
}

impl Iterator for Requests {
    type Item = BatchRequest;

    fn next(&mut self) -> Option<BatchRequest> {
        if self.last.is_some_and(|last| self.epoch > last) {
            return None;
        }
        let batches = self
            .batches
            .get_or_insert_with(|| self.sampler.items(self.epoch));
        let items = batches.get_mut(self.next).map(std::mem::take)?;
        let request = BatchRequest {
            seed: match self.sampler.options().order {
                Order::Sequential => 0,
                Order::Shuffled { seed } => seed,
            },
            epoch: self.epoch,
            number: self.next as u64,
            items,
        };
        self.next += 1;
        if self.next == batches.len() {
            self.epoch += 1;
            self.next = 0;
            self.batches = None;
        }
        Some(request)
    }
}
