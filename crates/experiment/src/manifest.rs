//! `manifest.json`: what a run folder was made from, by what, and on what.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use spectralkd_base::files::write_atomic;
use spectralkd_models::ModelConfig;

use crate::error::{Error, Result};

/// The source code that runs; the caller knows where it lies.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the program.
    pub version: String,
    /// Git revision, 40 hex digits, with `+` where the work tree was changed; empty outside a checkout.
    pub revision: String,
    /// SHA-256 of `Cargo.lock`.
    pub lock_sha256: String,
    /// The command as it was typed.
    pub command: String,
}

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
    /// Where tensors lived.
    pub device: String,
    /// Processor name, cores and vector extensions.
    pub machine: String,
}

/// The images that were used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Where they came from.
    pub origin: String,
    /// Number of training images.
    pub train_images: usize,
    /// SHA-256 over training images and labels.
    pub train_sha256: String,
    /// Number of test images.
    pub test_images: usize,
    /// SHA-256 over test images and labels.
    pub test_sha256: String,
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
        write_json(path, self)
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

/// Writes a JSON file, indented, in one piece.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Error::RunFolder {
        path: path.to_owned(),
        message: e.to_string(),
    })?;
    text.push('\n');
    write_atomic(path, text.as_bytes())?;
    Ok(())
}

/// SHA-256 of a file, as 64 hex digits.
///
/// # Errors
/// The file cannot be read.
pub fn file_sha256(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(Sha256::digest(&bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect())
}

/// The time now, UTC, to the second.
pub fn now() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    utc(seconds)
}

/// Seconds since 1970 as `2026-01-31T23:59:59Z`; the calendar after Howard Hinnant's `civil_from_days`.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (h, m, s) = (rest / 3_600, rest % 3_600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_match_the_calendar() {
        // date -u -d @N +%FT%TZ
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(utc(1_795_390_000), "2026-11-22T23:26:40Z");
    }
}
