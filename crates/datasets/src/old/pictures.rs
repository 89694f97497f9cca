//! Batches of a folder of pictures.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::Preprocess;
use crate::{DatasetError, ImageFolder, Picture, Result};

/// Pictures as a model takes them, on the CPU.
#[derive(Clone, Debug)]
pub struct PictureBatch {
    /// The preprocessed pictures, `[B, 3, H, W]` in f32.
    pub images: Tensor,
    /// Their classes, `[B]` in u32; `None` for a folder without classes.
    pub labels: Option<Tensor>,
    /// Where they stand in the folder.
    pub indices: Vec<u32>,
}

impl ImageFolder {
    /// Reads these pictures and brings them to the model's input, in parallel over rayon's
    /// current pool. The values do not depend on the number of threads, nor does the error:
    /// that of the first picture that has one.
    ///
    /// # Errors
    /// [`DatasetError::EmptyBatch`], [`DatasetError::Index`], those of [`Picture::read`] and
    /// of [`Preprocess::check`], or [`DatasetError::Tensor`] if candle fails.
    pub fn batch(&self, indices: &[u32], preprocess: &Preprocess) -> Result<PictureBatch> {
        preprocess.check()?;
        if indices.is_empty() {
            return Err(DatasetError::EmptyBatch);
        }
        let positions = self.positions(indices)?;
        let [height, width] = preprocess.size;
        let size = 3 * height * width;
        let mut values = vec![0f32; positions.len() * size];
        let outcomes: Vec<Result<()>> = values
            .par_chunks_exact_mut(size)
            .zip(&positions)
            .map(|(values, &i)| {
                let picture = Picture::read(self.path(i))?;
                preprocess.apply_into(&picture, values)
            })
            .collect();
        outcomes.into_iter().collect::<Result<()>>()?;

        let labels: Option<Vec<u32>> = positions.iter().map(|&i| self.label(i)).collect();
        let count = positions.len();
        Ok(PictureBatch {
            images: Tensor::from_vec(values, (count, 3, height, width), &Device::Cpu)?,
            labels: labels
                .map(|labels| Tensor::from_vec(labels, count, &Device::Cpu))
                .transpose()?,
            indices: indices.to_vec(),
        })
    }

    fn positions(&self, indices: &[u32]) -> Result<Vec<usize>> {
        let check = |&index: &u32| {
            let position = index as usize;
            if position < self.len() {
                Ok(position)
            } else {
                Err(DatasetError::Index {
                    index: index.into(),
                    len: self.len(),
                })
            }
        };
        indices.iter().map(check).collect()
    }
}
