//! The weights that students start from: found once, recorded, the same for all runs.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use spectralkd_base::digest::file_sha256;
use spectralkd_base::progress::Progress;
use spectralkd_base::random::Stream;
use spectralkd_datasets::Render;
use spectralkd_distillation::Student;
use spectralkd_hub::Weights;
use spectralkd_models::{ModelConfig, weights};

use crate::config::Experiment;
use crate::data::Images;
use crate::error::Result;

/// Weights of a student before its first step.
#[derive(Clone, Debug)]
pub struct FirstWeights {
    /// Where students are made.
    device: Device,
    tensors: BTreeMap<String, Tensor>,
    /// A classifier for other classes, which every seed draws for itself.
    drawn: BTreeSet<String>,
    /// Where they came from; `None` where every seed draws all of them.
    pub record: Option<FirstWeightsRecord>,
}

/// Where first weights came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstWeightsRecord {
    /// Path, or hub address with the commit.
    pub weights: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// How they were adapted to the student, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl FirstWeights {
    /// The weights of students on `device`: those that `model.weights` names, adapted to the images as timm does, which `progress` is told; without that
    /// key none, and every seed draws its own.
    ///
    /// # Errors
    /// There are none, a download failed, or they do not fit.
    pub fn load(
        experiment: &Experiment,
        images: &Images,
        device: &Device,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let Some(address) = &experiment.model.weights else {
            return Ok(Self {
                device: device.clone(),
                tensors: BTreeMap::new(),
                drawn: BTreeSet::new(),
                record: None,
            });
        };
        let sizes = images.student(&experiment.model)?;
        let found = Weights::find(address, false, progress)?;
        let stream = Stream::new(0, "first weights");
        let loaded = weights::load_adapted(&found.path, &sizes, &stream, &Device::Cpu)?;
        for note in &loaded.notes {
            progress.note(&format!("the students' first weights: {note}"));
        }
        Ok(Self {
            device: device.clone(),
            record: Some(FirstWeightsRecord {
                weights: found.origin,
                sha256: file_sha256(&loaded.path)?,
                notes: loaded.notes,
            }),
            tensors: loaded.tensors,
            drawn: loaded.fresh,
        })
    }

    /// A student of these sizes with these weights, and drawn from `seed` what is not among them.
    ///
    /// # Errors
    /// Sizes that no model can have.
    pub fn student(&self, sizes: &ModelConfig, render: Render, seed: u64) -> Result<Student> {
        if self.record.is_none() {
            return Ok(Student::new_on(&self.device, sizes, None, render, seed)?);
        }
        let mut weights = self.tensors.clone();
        if !self.drawn.is_empty() {
            let drawn =
                Student::new_on(&self.device, sizes, None, render.clone(), seed)?.trainable();
            let drawn = drawn.iter().filter(|(name, _)| self.drawn.contains(*name));
            weights.extend(drawn.map(|(name, var)| (name.clone(), var.as_detached_tensor())));
        }
        Ok(Student::new_on(
            &self.device,
            sizes,
            Some(&weights),
            render,
            seed,
        )?)
    }
}
