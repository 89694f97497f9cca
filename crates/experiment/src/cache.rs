//! Teacher outputs, computed once per image and flip, kept in memory and shared by variants and seeds.
//!
//! With flips as the only augmentation an image has two versions, so the frozen teacher's logits and
//! features are a table. Features are kept after pooling to the channels of the student's block that
//! they are compared with: the losses would pool the same numbers in every step.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use spectralkd_base::progress::Progress;
use spectralkd_datasets::old::Loader;
use spectralkd_losses::spectral_to_mse_ratio;
use spectralkd_models::{Taps, VisionModel};
use spectralkd_nn::Pass;
use spectralkd_spectral::adaptive_avg_pool_channels;

use crate::error::{Error, Result};

/// The frozen teacher's outputs on all training images.
#[derive(Debug)]
pub struct TeacherCache {
    images: usize,
    versions: usize,
    logits: Table,
    features: BTreeMap<Target, Table>,
}

/// A teacher's map as a student's block is compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The teacher's block.
    pub block: usize,
    /// Channels of the student's block, to which the map is pooled.
    pub channels: usize,
}

/// One output for every (version, image), row after row.
#[derive(Debug, Default)]
struct Table {
    /// Shape of one row.
    shape: Vec<usize>,
    rows: Vec<f32>,
}

/// What the table is made for.
#[derive(Clone, Debug)]
pub struct CachePlan {
    /// The maps that are kept, without duplicates.
    pub targets: Vec<Target>,
    /// Whether images are flipped in training.
    pub flip: bool,
    /// Images per forward pass.
    pub batch: usize,
}

impl CachePlan {
    /// Bytes that the table will take for `images` images and `classes` logits, given the shapes
    /// `[C, H, W]` of the teacher's taps.
    pub fn bytes(&self, images: usize, classes: usize, taps: &[[usize; 3]]) -> u64 {
        let map = |target: &Target| {
            let [_, h, w] = taps.get(target.block)?;
            Some(target.channels * h * w)
        };
        let maps: usize = self.targets.iter().filter_map(map).sum();
        let versions = if self.flip { 2 } else { 1 };
        ((classes + maps) * images * versions * size_of::<f32>()) as u64
    }
}

impl TeacherCache {
    /// Runs the teacher over all images, and over their mirror images where training flips.
    ///
    /// # Errors
    /// Reading images or the teacher's forward pass failed, or a teacher output is not finite.
    pub fn build(
        teacher: &dyn VisionModel,
        loader: &Loader,
        plan: &CachePlan,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let images = loader.set().len();
        let versions = if plan.flip { 2 } else { 1 };
        let mut stage = progress.stage("teacher outputs", (images * versions) as u64, "images");
        let mut logits = Table::default();
        let mut features: BTreeMap<Target, Table> = BTreeMap::new();
        let taps: Taps = plan.targets.iter().map(|target| target.block).collect();
        let indices: Vec<u32> = (0..images as u32).collect();
        for flipped in [false, true].into_iter().take(versions) {
            for chunk in indices.chunks(plan.batch) {
                let batch = loader.fixed(chunk, flipped)?;
                let output = teacher.forward(&batch.images, &taps, &Pass::eval())?;
                logits.push(&output.logits)?;
                for target in &plan.targets {
                    let found = output.features.iter().find(|(i, _)| *i == target.block);
                    let (_, map) = found.ok_or_else(|| not_cached(*target))?;
                    let pooled = adaptive_avg_pool_channels(map, target.channels)?;
                    features.entry(*target).or_default().push(&pooled)?;
                }
                stage.advance(chunk.len() as u64);
            }
        }
        Ok(Self {
            images,
            versions,
            logits,
            features,
        })
    }

    /// Logits `[B, K]` of the images of a batch, each flipped or not.
    ///
    /// # Errors
    /// An image or a version that the table does not hold.
    pub fn logits(&self, indices: &[u32], flipped: &[bool]) -> Result<Tensor> {
        self.gather(&self.logits, indices, flipped)
    }

    /// A pooled map `[B, C, H, W]` for the images of a batch.
    ///
    /// # Errors
    /// A map, an image or a version that the table does not hold.
    pub fn features(&self, target: Target, indices: &[u32], flipped: &[bool]) -> Result<Tensor> {
        let table = self.features.get(&target);
        self.gather(table.ok_or_else(|| not_cached(target))?, indices, flipped)
    }

    /// The spectral loss divided by the plain MSE, both between the teacher's features and zero,
    /// added up over `targets` on at most 1,000 images.
    ///
    /// This is the factor at which plain MSE pulls on features as hard as the spectral loss does
    /// while the student's are still small: 0.5 for features that are white along the width, more
    /// where their mean along the width dominates.
    ///
    /// # Errors
    /// A map that was not cached, or features that are zero everywhere.
    pub fn spectral_to_mse(&self, targets: &[Target]) -> Result<f64> {
        let indices: Vec<u32> = (0..self.images.min(1000) as u32).collect();
        let flipped = vec![false; indices.len()];
        let mut pairs = Vec::with_capacity(targets.len());
        for &target in targets {
            let map = self.features(target, &indices, &flipped)?;
            pairs.push((map.zeros_like()?, map));
        }
        Ok(spectral_to_mse_ratio(&pairs)?)
    }

    fn gather(&self, table: &Table, indices: &[u32], flipped: &[bool]) -> Result<Tensor> {
        let row = table.shape.iter().product::<usize>();
        let mut out = Vec::with_capacity(indices.len() * row);
        for (&index, &flip) in indices.iter().zip(flipped) {
            let (index, version) = (index as usize, usize::from(flip));
            if index >= self.images || version >= self.versions {
                let message = format!(
                    "the teacher's outputs on image {index} (flipped: {flip}) were not cached"
                );
                return Err(Error::Missing(message));
            }
            let start = (version * self.images + index) * row;
            out.extend_from_slice(&table.rows[start..start + row]);
        }
        let mut shape = vec![indices.len()];
        shape.extend_from_slice(&table.shape);
        Ok(Tensor::from_vec(out, shape, &Device::Cpu)?)
    }
}

fn not_cached(Target { block, channels }: Target) -> Error {
    Error::Missing(format!(
        "the teacher's block {block} was not cached with {channels} channels"
    ))
}

impl Table {
    /// Appends a batch `[B, ...]`.
    fn push(&mut self, batch: &Tensor) -> Result<()> {
        self.shape = batch.dims()[1..].to_vec();
        let rows = batch.flatten_all()?.to_vec1::<f32>()?;
        if rows.iter().any(|x| !x.is_finite()) {
            let message = "the teacher gives NaN or infinite outputs: its weights are damaged, or made for other images";
            return Err(Error::Missing(message.into()));
        }
        self.rows.extend(rows);
        Ok(())
    }
}
