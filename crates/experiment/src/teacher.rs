//! The teacher: its weights found, checked against their manifest, and frozen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use spectralkd_base::digest::file_sha256;
use spectralkd_base::progress::Progress;
use spectralkd_hub::{Hub, Reference, Source};
use spectralkd_models::{VisionModel, frozen, weights};

use crate::config::{Teacher, Weights};
use crate::error::{Error, Result};
use crate::manifest::{WeightsManifest, read_json};

/// A teacher that gives outputs and no gradients.
pub struct LoadedTeacher {
    /// The model.
    pub model: Box<dyn VisionModel>,
    /// Its weights, none of which is a variable.
    pub tensors: BTreeMap<String, Tensor>,
    /// The local file.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// How the weights were made, where a manifest lies beside them.
    pub made: Option<WeightsManifest>,
}

/// Finds the weights (`replaced_by` instead of the configured ones, if given), checks them and
/// builds the frozen model.
///
/// # Errors
/// The file is missing, is not what its manifest says, or does not fit the architecture; a
/// download failed.
pub fn load(
    teacher: &Teacher,
    replaced_by: Option<&Path>,
    progress: &dyn Progress,
) -> Result<LoadedTeacher> {
    let path = match (replaced_by, &teacher.weights) {
        (Some(path), _) => path.to_owned(),
        (None, Weights::File(path)) => path.clone(),
        (None, Weights::Hub(address)) => {
            let reference: Reference = address.parse()?;
            let file = reference.file_or("model.safetensors")?;
            Hub::from_env()?.fetch(&file, progress)?.path
        }
    };
    if !path.is_file() {
        return Err(Error::Missing(format!(
            "the teacher's weights {} are not there; restore them (git checkout) or train the teacher with --train-teacher",
            path.display()
        )));
    }
    let sha256 = file_sha256(&path)?;
    let manifest = manifest_path(&path);
    let made = if manifest.is_file() {
        let made: WeightsManifest = read_json(&manifest)?;
        if made.sha256 != sha256 {
            return Err(Error::TeacherChecksum {
                path,
                expected: made.sha256,
                found: sha256,
            });
        }
        Some(made)
    } else {
        None
    };
    let tensors = weights::load(&path, &teacher.model, &Device::Cpu)?;
    let model = frozen(&teacher.model, &tensors, &Device::Cpu)?;
    Ok(LoadedTeacher {
        model,
        tensors,
        path,
        sha256,
        made,
    })
}

/// The manifest beside a weights file: the same name with the ending `json`.
pub fn manifest_path(weights: &Path) -> PathBuf {
    weights.with_extension("json")
}
