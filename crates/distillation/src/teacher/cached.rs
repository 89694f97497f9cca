//! A teacher's outputs, computed once for every view and kept in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use spectralkd_base::progress::Progress;
use spectralkd_datasets::{Batch, Dataset, Loader, Pipeline, Sampler};
use spectralkd_losses::{Outputs, Request, Shapes};

use super::frozen::check_finite;
use super::{FrozenTeacher, Teacher};
use crate::error::{Error, Result};

/// The outputs of a [`FrozenTeacher`] on all views of a data set.
#[derive(Debug)]
pub struct CachedTeacher {
    images: usize,
    versions: usize,
    tables: BTreeMap<Request, Table>,
    shapes: Shapes,
    /// Where outputs are wanted; they are kept in main memory.
    device: Device,
}

/// One output of every (version, image), row after row.
#[derive(Debug, Default)]
struct Table {
    /// Shape of one row.
    shape: Vec<usize>,
    rows: Vec<f32>,
}

impl CachedTeacher {
    /// Runs the teacher over all views that `pipeline` can make of `dataset`, `batch` at a time, and keeps what
    /// `requests` name.
    ///
    /// # Errors
    /// [`Error::Uncountable`] where the views cannot be counted; an image that cannot be read; outputs that are not
    /// finite.
    pub fn build(
        teacher: &FrozenTeacher,
        (dataset, pipeline): (&Arc<dyn Dataset>, &Pipeline),
        requests: &BTreeSet<Request>,
        batch: usize,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let uncountable = || Error::Uncountable {
            why: "every epoch has views of its own".into(),
        };
        let versions = pipeline.versions().ok_or_else(uncountable)?;
        let images = dataset.len();
        let views = (images as u64) * u64::from(versions);
        let mut stage = progress.stage("teacher outputs", views, "images");
        let mut tables: BTreeMap<Request, Table> = BTreeMap::new();
        for version in 0..versions {
            let fixed = pipeline.fixed(version).ok_or_else(uncountable)?;
            let loader = Loader::new(Arc::clone(dataset), Arc::new(fixed), 0, 0)?;
            for views in loader.stream(Sampler::plain(images, batch)?) {
                let views = views?;
                let outputs = teacher.outputs(&views, requests)?;
                for (request, tensor) in outputs.iter() {
                    check_finite(request, tensor)?;
                    tables.entry(*request).or_default().push(tensor)?;
                }
                stage.advance(views.len() as u64);
            }
        }
        Ok(Self {
            images,
            versions: versions as usize,
            tables,
            shapes: teacher.shapes().clone(),
            device: teacher.device().clone(),
        })
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        let rows: usize = self.tables.values().map(|table| table.rows.len()).sum();
        (rows * size_of::<f32>()) as u64
    }
}

impl Teacher for CachedTeacher {
    fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    fn outputs(&self, batch: &Batch, requests: &BTreeSet<Request>) -> Result<Outputs> {
        let mut rows = Vec::with_capacity(batch.len());
        let drawn = batch.mixing.is_some() || batch.erased.iter().any(|boxes| !boxes.is_empty());
        for (key, &flipped) in batch.keys.iter().zip(&batch.flipped) {
            let (index, version) = (key.index as usize, usize::from(flipped));
            if index >= self.images || version >= self.versions || drawn {
                let what = format!("output on image {index} in version {version}");
                return Err(Error::NotCached { what });
            }
            rows.push(version * self.images + index);
        }
        let mut answers = Outputs::new();
        for request in requests {
            let table = self.tables.get(request).ok_or_else(|| Error::NotCached {
                what: request.to_string(),
            })?;
            answers.insert(*request, table.gather(&rows, &self.device)?);
        }
        Ok(answers)
    }
}

impl Table {
    /// Appends a batch [B, ...].
    fn push(&mut self, batch: &Tensor) -> Result<()> {
        self.shape = batch.dims()[1..].to_vec();
        self.rows.extend(batch.flatten_all()?.to_vec1::<f32>()?);
        Ok(())
    }

    /// These rows, in this order, on a device.
    fn gather(&self, rows: &[usize], device: &Device) -> Result<Tensor> {
        let width = self.shape.iter().product::<usize>();
        let mut out = Vec::with_capacity(rows.len() * width);
        for row in rows {
            out.extend_from_slice(&self.rows[row * width..][..width]);
        }
        let shape: Vec<usize> = [&[rows.len()], self.shape.as_slice()].concat();
        Ok(Tensor::from_vec(out, shape, device)?)
    }
}
