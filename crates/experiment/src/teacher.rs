//! The teacher: its weights found, checked against their manifest, and frozen.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use spectralkd_base::digest::file_sha256;
use spectralkd_base::progress::Progress;
use spectralkd_base::random::Stream;
use spectralkd_datasets::Normalise;
use spectralkd_distillation::{Columns, FrozenTeacher, shapes};
use spectralkd_hub::{HubError, Reference, Weights};
use spectralkd_losses::{Pairs, Request, Shapes};
use spectralkd_models::export::{self, Preprocessing};
use spectralkd_models::{Defaults, ModelConfig, weights};

use crate::config::{self, Experiment};
use crate::data::{Images, one_for_each_channel};
use crate::error::{Error, Result};
use crate::manifest::{WeightsManifest, read_json};
use crate::needs::needs;

/// A frozen teacher and where it came from.
#[derive(Debug)]
pub struct LoadedTeacher {
    /// The model.
    pub teacher: Arc<FrozenTeacher>,
    /// The local file.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// How the weights were made, where a manifest lies beside them.
    pub made: Option<WeightsManifest>,
}

/// The teacher's sizes. It keeps its own classes: those of its name, else the data set's are taken to be its own.
///
/// # Errors
/// Sizes that no model can have.
pub fn config(teacher: &config::Teacher, classes: usize, channels: usize) -> Result<ModelConfig> {
    let named = teacher.model.entry().is_some();
    Ok(teacher.model.resolve(&Defaults {
        num_classes: (!named).then_some(classes),
        in_chans: (!named).then_some(channels),
        img_size: None,
    })?)
}

/// Finds the weights (`replaced_by` instead of the configured ones, if given), checks them and
/// builds the frozen model on `device`.
///
/// # Errors
/// The file is missing, is not what its manifest says, or does not fit the architecture; a
/// download failed; a loss reads the logits of a teacher that does not know the images' classes.
pub fn load(
    experiment: &Experiment,
    teacher: &config::Teacher,
    replaced_by: Option<&Path>,
    images: &Images,
    device: &Device,
    progress: &dyn Progress,
) -> Result<LoadedTeacher> {
    let found = match replaced_by {
        Some(path) => weights_at(&path.to_string_lossy(), progress)?,
        None => find(teacher, progress)?,
    };
    let config = config(teacher, images.classes().len(), images.channels())?;
    one_for_each_channel("teacher", teacher.mean.as_deref(), config.in_chans())?;
    let logits = config.num_classes();
    if let Some(names) = teacher
        .classes
        .as_ref()
        .filter(|names| names.len() != logits)
    {
        return Err(Error::Teacher(format!(
            "`teacher.classes` has {} names, and the teacher {logits} logits: give one for each, in their order",
            names.len()
        )));
    }
    let fresh = Stream::new(0, "fresh parameters");
    let loaded = weights::load_adapted(&found.path, &config, &fresh, &Device::Cpu)?;
    let sha256 = file_sha256(&loaded.path)?;
    let made = checked_manifest(&loaded.path, &sha256)?;
    for note in &loaded.notes {
        progress.note(&format!("the teacher's weights: {note}"));
    }
    let described = match &found.described {
        Some(folder) => Some(export::read_config(folder)?),
        None => None,
    };
    let names = teacher
        .classes
        .clone()
        .or(described.as_ref().and_then(|d| d.label_names.clone()));
    let head_is_drawn = loaded.fresh.iter().any(|name| name.starts_with("head"));
    let columns = Columns::find(images.classes(), names.as_deref(), logits, head_is_drawn);
    if let Some(why) = columns.refusal() {
        refuse_logits(experiment, images, &config, why)?;
    }
    let [height, width] = config.img_size();
    let image = [config.in_chans(), height, width];
    let preprocessing = match (&described, teacher.model.entry()) {
        (Some(described), _) => Some(described.preprocessing.clone()),
        (None, Some(entry)) => Some(entry.preprocessing.into()),
        (None, None) => None,
    };
    let render = images.render(image, normalise(teacher, preprocessing))?;
    let (tensors, precision) = (loaded.tensors, teacher.precision);
    let frozen = FrozenTeacher::new_on(device, &config, tensors, precision, render, columns)?;
    Ok(LoadedTeacher {
        teacher: Arc::new(frozen),
        path: loaded.path,
        sha256,
        made,
    })
}

/// The configured weights, fetched if they lie on the hub; those of a name alone without their `config.json`, which says
/// what the name does.
///
/// # Errors
/// Neither weights nor a name; a download failed; nothing is there.
pub fn find(teacher: &config::Teacher, progress: &dyn Progress) -> Result<Weights> {
    match (teacher.weights(), teacher.model.entry()) {
        (Some(weights), _) => weights_at(weights, progress),
        (None, Some(entry)) => {
            let address = format!("hf://{}", entry.repository());
            Ok(Weights::find(&address, false, progress)?)
        }
        (None, None) => Err(Error::Teacher(
            "the teacher has neither weights nor a name".into(),
        )),
    }
}

/// Whether the configured weights are there, as far as that shows without the network.
///
/// # Errors
/// They are not.
pub fn check_present(teacher: &config::Teacher) -> Result<()> {
    match teacher.weights() {
        Some(path) if !Reference::looks_like_one(path) && !Path::new(path).exists() => {
            let path = PathBuf::from(path);
            Err(Error::NoWeights { path })
        }
        _ => Ok(()),
    }
}

fn weights_at(address: &str, progress: &dyn Progress) -> Result<Weights> {
    match Weights::find(address, true, progress) {
        Err(HubError::NoWeights { path }) => Err(Error::NoWeights { path }),
        // Weights that another program fetched may lie in the cache without their config.json.
        Err(HubError::Offline { .. }) => {
            let found = Weights::find(address, false, progress)?;
            progress.note(&format!(
                "the teacher's weights: there is no config.json of {address} in the cache, and none is fetched offline: \
                 classes and normalisation are those of the experiment"
            ));
            Ok(found)
        }
        found => Ok(found?),
    }
}

/// The teacher's normalisation: as configured, else its own; `None` for the student's.
fn normalise(teacher: &config::Teacher, own: Option<Preprocessing>) -> Option<Normalise> {
    if let Some((mean, std)) = teacher.mean.clone().zip(teacher.std.clone()) {
        return Some(Normalise { mean, std });
    }
    let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect();
    own.map(|own| Normalise {
        mean: single(&own.mean),
        std: single(&own.std),
    })
}

/// A head that does not know the classes teaches no logits.
fn refuse_logits(
    experiment: &Experiment,
    images: &Images,
    teacher: &ModelConfig,
    why: &str,
) -> Result<()> {
    let student = shapes(&images.student(&experiment.model)?.info()?);
    let teacher = Shapes {
        classes: student.classes,
        ..shapes(&teacher.info()?)
    };
    for variant in &experiment.variants {
        for loss in experiment.losses(variant) {
            if matches!(loss.pairs(), Some(Pairs::Chosen { .. })) {
                continue;
            }
            let asked = needs(std::slice::from_ref(&loss), &student, &teacher, 0..1)?;
            if !asked
                .iter()
                .any(|request| matches!(request, Request::Logits(_)))
            {
                continue;
            }
            return Err(Error::Teacher(format!(
                "the loss `{}` of the variant `{}` reads the teacher's logits, and the teacher cannot teach them: {why}; \
                 leave out that loss (features alone can be taught), or name the classes with `teacher.classes`",
                loss.name(),
                variant.name
            )));
        }
    }
    Ok(())
}

/// The manifest beside the weights, if there is one and it is theirs.
fn checked_manifest(path: &Path, sha256: &str) -> Result<Option<WeightsManifest>> {
    let manifest = manifest_path(path);
    // A folder's config.json is another thing.
    if !manifest.is_file() || manifest.ends_with("config.json") {
        return Ok(None);
    }
    let made: WeightsManifest = read_json(&manifest)?;
    if made.sha256 == sha256 {
        return Ok(Some(made));
    }
    Err(Error::TeacherChecksum {
        path: path.to_owned(),
        expected: made.sha256,
        found: sha256.to_owned(),
    })
}

/// The manifest beside a weights file: the same name with the ending `json`.
pub fn manifest_path(weights: &Path) -> PathBuf {
    weights.with_extension("json")
}
