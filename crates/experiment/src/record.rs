//! What a call writes into the manifest of its run folder, and what it refuses to mix there.

use spectralkd_base::machine::machine;
use spectralkd_base::provenance::now;

use crate::config::Experiment;
use crate::data::Images;
use crate::error::{Error, Result};
use crate::first_weights::FirstWeights;
use crate::folder::RunFolder;
use crate::manifest::{Invocation, Manifest, StudentRecord, TeacherRecord};
use crate::reproduce::Options;
use crate::teacher::LoadedTeacher;
use crate::teaching::Teaching;

/// Runs of one folder must have had one teacher.
pub(crate) fn refuse_other_teacher(folder: &RunFolder, teacher: &LoadedTeacher) -> Result<()> {
    let path = folder.manifest();
    let earlier = Manifest::read(&path)?.and_then(|m| m.teacher);
    match earlier {
        Some(t) if t.sha256 != teacher.sha256 => Err(Error::RunFolder {
            path,
            message: format!(
                "these runs had another teacher (sha256 {}, now {})",
                t.sha256, teacher.sha256
            ),
        }),
        _ => Ok(()),
    }
}

/// Writes this call into the manifest.
pub(crate) fn record(
    experiment: &Experiment,
    options: &Options,
    (images, first): (&Images, &FirstWeights),
    teaching: Option<&Teaching>,
    folder: &RunFolder,
) -> Result<()> {
    let path = folder.manifest();
    let earlier = Manifest::read(&path)?;
    if let Some(m) = earlier.as_ref().filter(|m| m.data != images.record) {
        let message = format!(
            "these runs had other images ({}, now {})",
            m.data.origin, images.record.origin
        );
        return Err(Error::RunFolder { path, message });
    }
    let student = student_record(experiment, images, first)?;
    if let Some(m) = earlier
        .as_ref()
        .filter(|m| m.student.weights != student.weights)
    {
        let named = |record: &StudentRecord| match &record.weights {
            Some(w) => format!("{}, sha256 {}", w.weights, w.sha256),
            None => "none".into(),
        };
        let message = format!(
            "these runs started from other weights ({}, now {})",
            named(&m.student),
            named(&student)
        );
        return Err(Error::RunFolder { path, message });
    }
    let mut invocations = earlier.map(|m| m.invocations).unwrap_or_default();
    invocations.push(Invocation {
        started: now(),
        provenance: options.provenance.clone(),
        seeds: experiment.seeds.clone(),
        threads: options.threads,
        device: options.runtime.in_words(),
        machine: machine(),
    });
    let manifest = Manifest {
        experiment: experiment.name.clone(),
        profile: experiment.profile.clone(),
        invocations,
        data: images.record.clone(),
        student,
        teacher: teaching.map(|t| TeacherRecord {
            weights: t.loaded.path.display().to_string(),
            sha256: t.loaded.sha256.clone(),
            params: t.loaded.teacher.info().params,
            top1: t.top1,
            placement: t.placement.in_words(),
            made: t.loaded.made.clone(),
        }),
        spectral_to_mse: teaching.and_then(|t| t.spectral_to_mse),
    };
    manifest.write(&path)
}

fn student_record(
    experiment: &Experiment,
    images: &Images,
    first: &FirstWeights,
) -> Result<StudentRecord> {
    let model = images.student(&experiment.model)?;
    let normalise = images
        .render(model.info()?.image, None)?
        .normalise()
        .clone();
    Ok(StudentRecord {
        model,
        classes: images.classes().to_vec(),
        mean: normalise.mean,
        std: normalise.std,
        crop_pct: images.crop_pct(),
        weights: first.record.clone(),
    })
}
