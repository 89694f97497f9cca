//! Batches of tensors out of a set of images.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::Augment;
use crate::{DatasetError, ImageSet, Normalise, Result};

/// Images that one thread assembles before rayon may split the work further.
const IMAGES_PER_TASK: usize = 16;

/// One batch, on the CPU.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The normalised images, `[B, C, H, W]` in f32.
    pub images: Tensor,
    /// Their classes, `[B]` in u32.
    pub labels: Tensor,
    /// Where they stand in the set.
    pub indices: Vec<u32>,
    /// Which of them are mirrored.
    pub flipped: Vec<bool>,
}

/// Makes batches: looks images up, normalises them, and mirrors some.
///
/// Cheap to clone (the images are shared), and free of state: a batch depends on the seed,
/// the epoch and the indices only. With flips, each image has two versions;
/// [`Loader::fixed`] gives either one, so that teacher outputs can be kept by
/// (index, flipped).
#[derive(Clone, Debug)]
pub struct Loader {
    set: Arc<ImageSet>,
    tables: Arc<Vec<[f32; 256]>>,
    augment: Augment,
    seed: u64,
}

impl Loader {
    /// A loader for this set; `seed` decides the flips.
    ///
    /// # Errors
    /// [`DatasetError::NormaliseChannels`] or [`DatasetError::NormaliseValue`] if the
    /// normalisation does not fit the images.
    pub fn new(
        set: Arc<ImageSet>,
        normalise: Normalise,
        augment: Augment,
        seed: u64,
    ) -> Result<Self> {
        normalise.check(set.shape()[0])?;
        Ok(Self {
            set,
            tables: Arc::new(normalise.tables()),
            augment,
            seed,
        })
    }

    /// The images behind the batches.
    pub fn set(&self) -> &Arc<ImageSet> {
        &self.set
    }

    /// Whether [`Loader::batch`] mirrors image `index` in this epoch.
    pub fn flips(&self, epoch: u64, index: u32) -> bool {
        self.augment.flips(self.seed, epoch, index)
    }

    /// The training batch of these images in this epoch, with its random flips.
    ///
    /// # Errors
    /// [`DatasetError::Index`] for an index past the end, [`DatasetError::EmptyBatch`] if
    /// there is none, [`DatasetError::Tensor`] if candle fails.
    pub fn batch(&self, epoch: u64, indices: &[u32]) -> Result<Batch> {
        let flipped = indices.iter().map(|&i| self.flips(epoch, i)).collect();
        self.assemble(indices, flipped)
    }

    /// These images all as they are, or all mirrored, whatever the augmentation: for
    /// evaluation (`flipped` = false), and to compute teacher outputs for both versions.
    ///
    /// # Errors
    /// As [`Loader::batch`].
    pub fn fixed(&self, indices: &[u32], flipped: bool) -> Result<Batch> {
        self.assemble(indices, vec![flipped; indices.len()])
    }

    fn assemble(&self, indices: &[u32], flipped: Vec<bool>) -> Result<Batch> {
        if indices.is_empty() {
            return Err(DatasetError::EmptyBatch);
        }
        let positions = self.set.positions(indices)?;
        let [channels, height, width] = self.set.shape();
        let size = self.set.image_size();

        let mut values = vec![0f32; positions.len() * size];
        values
            .par_chunks_exact_mut(size)
            .with_min_len(IMAGES_PER_TASK)
            .zip(positions.par_iter().zip(&flipped))
            .for_each(|(values, (&i, &flip))| self.fill(values, i, flip));

        let labels: Vec<u32> = positions.iter().map(|&i| self.set.labels()[i]).collect();
        let shape = (positions.len(), channels, height, width);
        Ok(Batch {
            images: Tensor::from_vec(values, shape, &Device::Cpu)?,
            labels: Tensor::from_vec(labels, positions.len(), &Device::Cpu)?,
            indices: indices.to_vec(),
            flipped,
        })
    }

    /// Writes image `i`, normalised and perhaps mirrored, to `values`, `[C, H, W]`.
    fn fill(&self, values: &mut [f32], i: usize, flip: bool) {
        let [_, height, width] = self.set.shape();
        let rows = values.chunks_exact_mut(width);
        for (r, (row, bytes)) in rows.zip(self.set.image(i).chunks_exact(width)).enumerate() {
            let table = &self.tables[r / height];
            for (value, &byte) in row.iter_mut().zip(bytes) {
                *value = table[usize::from(byte)];
            }
            if flip {
                row.reverse();
            }
        }
    }
}
