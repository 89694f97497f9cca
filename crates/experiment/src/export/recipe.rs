//! The weights of a recipe: beside the experiments that use them, with a manifest that says how they came about.

use std::path::PathBuf;

use spectralkd_base::digest::file_sha256;
use spectralkd_base::files::{write_atomic, write_json};

use crate::config::{Experiment, Export};
use crate::error::{Error, Result};
use crate::folder::RunFolder;
use crate::manifest::{Manifest, WeightsManifest};
use crate::results::RunResult;
use crate::teacher::manifest_path;

/// Writes the weights of the first variant and seed to the configured file, and their manifest
/// beside it; the file's path. `None` where that run has not finished.
///
/// # Errors
/// The weights are less accurate than asked for, or a file cannot be read or written.
pub fn recipe(
    experiment: &Experiment,
    export: &Export,
    folder: &RunFolder,
    results: &[RunResult],
) -> Result<Option<PathBuf>> {
    let (Some(variant), Some(&seed)) = (experiment.variants.first(), experiment.seeds.first())
    else {
        return Ok(None);
    };
    let result = results
        .iter()
        .find(|r| r.variant == variant.name && r.seed == seed);
    let (Some(result), Some(manifest)) = (result, Manifest::read(&folder.manifest())?) else {
        return Ok(None);
    };
    let scores = match (export.average, result.average) {
        (false, _) => result.scores,
        (true, Some(average)) => average,
        (true, None) => return Ok(None),
    };
    if scores.top1 < export.at_least {
        return Err(Error::Export(format!(
            "the weights reach {:.2} % top-1, less than the {:.2} % of `export.at_least`: they stay in {}",
            scores.top1,
            export.at_least,
            folder.run(&variant.name, seed)?.display(),
        )));
    }
    let file = if export.average {
        "average.safetensors"
    } else {
        "weights.safetensors"
    };
    let trained = folder.run(&variant.name, seed)?.join(file);
    let bytes = std::fs::read(&trained).map_err(|source| Error::Read {
        path: trained,
        source,
    })?;
    if let Some(parent) = export.weights.parent() {
        std::fs::create_dir_all(parent).map_err(Error::write(parent))?;
    }
    write_atomic(&export.weights, &bytes)?;
    let call = manifest.invocations.last();
    let made = WeightsManifest {
        sha256: file_sha256(&export.weights)?,
        experiment: format!("{} ({})", experiment.name, experiment.profile),
        command: call
            .map(|c| c.provenance.command.clone())
            .unwrap_or_default(),
        revision: call
            .map(|c| c.provenance.revision.clone())
            .unwrap_or_default(),
        machine: call.map(|c| c.machine.clone()).unwrap_or_default(),
        seed,
        epochs: result.epochs,
        minutes: result.seconds / 60.0,
        data: manifest.data.clone(),
        top1: scores.top1,
        average: export.average,
    };
    write_json(&manifest_path(&export.weights), &made)?;
    Ok(Some(export.weights.clone()))
}
