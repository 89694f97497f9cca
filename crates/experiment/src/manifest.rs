//! `manifest.json`: what a run folder was made from, by what, and on what.

use std::path::Path;

use serde::{Deserialize, Serialize};
use spectralkd_base::files::write_json;
use spectralkd_base::provenance::Provenance;
use spectralkd_models::ModelConfig;

use crate::data::DataRecord;
use crate::error::{Error, Result};
use crate::first_weights::FirstWeightsRecord;

/// One call of the command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Invocation {
    /// Start, UTC, as `2026-01-31T23:59:59Z`.
    pub started: String,
    /// The code and the command.
    pub provenance: Provenance,
    /// Seeds that were asked for.
    pub seeds: Vec<u64>,
    /// Worker threads.
    pub threads: usize,
    /// Where models were trained: `cpu in f32`, or the card by its name.
    pub device: String,
    /// Processor name, cores and vector extensions.
    pub machine: String,
}

/// What all students of a run folder are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudentRecord {
    /// Their sizes, with as many classes as the images have.
    pub model: ModelConfig,
    /// The names of the classes, logit by logit.
    pub classes: Vec<String>,
    /// Mean per channel of images scaled to 0..1.
    pub mean: Vec<f32>,
    /// Standard deviation per channel of images scaled to 0..1.
    pub std: Vec<f32>,
    /// Share of the resized picture's shorter side that evaluation keeps.
    pub crop_pct: f64,
    /// What they started from, where that was not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<FirstWeightsRecord>,
}

/// The teacher that was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeacherRecord {
    /// Path or hub address.
    pub weights: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Trainable parameters.
    pub params: u64,
    /// Top-1 accuracy on this profile's test images, in percent; `None` where it does not know their classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top1: Option<f64>,
    /// Where students got its outputs from, in words.
    #[serde(default)]
    pub placement: String,
    /// How the weights were made, from the manifest beside them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<WeightsManifest>,
}

/// The manifest beside exported weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightsManifest {
    /// SHA-256 of the weights file.
    pub sha256: String,
    /// The experiment and profile that trained them.
    pub experiment: String,
    /// The command.
    pub command: String,
    /// Git revision of the code.
    pub revision: String,
    /// The machine.
    pub machine: String,
    /// Seed of the run.
    pub seed: u64,
    /// Epochs of training.
    pub epochs: u64,
    /// Wall-clock minutes of training.
    pub minutes: f64,
    /// Training and test images.
    pub data: DataRecord,
    /// Top-1 accuracy on the test images after the last epoch, in percent.
    pub top1: f64,
    /// Whether they are the moving average of the weights.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub average: bool,
}

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The experiment's name.
    pub experiment: String,
    /// The profile's name.
    pub profile: String,
    /// Every call that worked in this folder, oldest first.
    pub invocations: Vec<Invocation>,
    /// The images.
    pub data: DataRecord,
    /// The students, all of one kind.
    pub student: StudentRecord,
    /// The teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TeacherRecord>,
    /// Spectral loss divided by plain MSE, measured on the teacher's features at the shared pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spectral_to_mse: Option<f64>,
}

impl Manifest {
    /// Reads the manifest of a folder; `None` where there is none yet.
    ///
    /// # Errors
    /// The file cannot be read or is not a manifest.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        read_json(path).map(Some)
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(write_json(path, self)?)
    }
}

/// Reads a JSON file of a run folder.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|e| Error::RunFolder {
        path: path.to_owned(),
        message: e.to_string(),
    })
}
