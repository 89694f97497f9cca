//! One experiment from its plan to its report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use spectralkd_base::machine::machine;
use spectralkd_base::progress::Progress;
use spectralkd_base::provenance::{Provenance, now};

use crate::analysis::Analysis;
use crate::cache::TeacherCache;
use crate::config::{self, Experiment, Export};
use crate::data::{self, Images};
use crate::error::{Error, Result};
use crate::export;
use crate::folder::RunFolder;
use crate::layer_pairs;
use crate::manifest::{Invocation, Manifest, TeacherRecord};
use crate::plan::{Plan, cache_plan};
use crate::report;
use crate::results::{RunResult, Table};
use crate::scoring::score;
use crate::students::{Guidance, Job, Workshop, finished, jobs};
use crate::teacher::{self, LoadedTeacher};

/// How to run an experiment, beside what stands in its file.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run folder.
    pub out: PathBuf,
    /// The folder of all runs, for a teacher that is trained on the way.
    pub runs: PathBuf,
    /// A folder with the full data set instead of the embedded images.
    pub data: Option<PathBuf>,
    /// Worker threads; at least 1.
    pub threads: usize,
    /// Runs side by side; `None` for one per thread.
    pub jobs: Option<usize>,
    /// Whether to move an earlier folder aside.
    pub fresh: bool,
    /// Whether to train the teacher by its recipe first.
    pub train_teacher: bool,
    /// The code and the command, for the manifest.
    pub provenance: Provenance,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Every run is finished.
    Done,
    /// Every run was finished before; only the report was written again.
    AlreadyDone,
    /// Stopped from outside.
    Interrupted {
        /// Runs that are not finished.
        missing: usize,
    },
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How the call ended.
    pub status: Status,
    /// The table and its verdicts.
    pub table: Table,
    /// The verdicts in words.
    pub sentences: Vec<String>,
    /// The report.
    pub report: PathBuf,
    /// Exported weights.
    pub exported: Option<PathBuf>,
}

/// The plan as lines of a key and a value; with `probe` also an estimate of the time.
///
/// # Errors
/// The data cannot be read, or the probe failed.
pub fn plan(
    experiment: &Experiment,
    options: &Options,
    probe: bool,
) -> Result<Vec<(String, String)>> {
    let experiment = &layer_pairs::estimated(experiment)?;
    let images = data::load(experiment, options.data.as_deref())?;
    let plan = Plan::new(experiment, images.size())?;
    let mut lines = plan.lines(experiment, images.size());
    if probe {
        let minutes = plan.minutes(experiment, options.threads)?;
        let threads = options.threads;
        lines.push((
            "time".into(),
            format!("about {minutes:.1} minutes with {threads} threads"),
        ));
    }
    Ok(lines)
}

/// Runs an experiment, or goes on with it, and writes its report.
///
/// # Errors
/// Whatever keeps a run from finishing. What was written before stays valid, and the same call
/// goes on from there.
pub fn reproduce(
    experiment: &Experiment,
    options: &Options,
    progress: &dyn Progress,
    interrupt: &AtomicBool,
) -> Result<Summary> {
    let retrained = if options.train_teacher {
        Some(train_teacher(experiment, options, progress, interrupt)?)
    } else {
        None
    };
    let folder = RunFolder::open(&options.out, experiment, options.fresh)?;
    let images = data::load(experiment, options.data.as_deref())?;
    let all = jobs(experiment);
    let mut missing = Vec::new();
    for job in &all {
        if finished(&folder, job)?.is_none() {
            missing.push(*job);
        }
    }
    let begun = !missing.is_empty() || Manifest::read(&folder.manifest())?.is_none();
    if begun {
        let guidance = guidance(experiment, retrained.as_deref(), &images, &folder, progress)?;
        record(experiment, options, &images, guidance.as_ref(), &folder)?;
        let workshop = Workshop {
            experiment: &layer_pairs::settled(experiment, &folder)?,
            folder: &folder,
            images: &images,
            guidance,
            progress,
            interrupt,
        };
        let lanes = options.jobs.unwrap_or(options.threads).min(missing.len());
        workshop.work(&missing, lanes, options.threads)?;
    }
    let results = collect(&folder, &all)?;
    let unfinished = all.len() - results.len();
    let status = match (begun, unfinished) {
        (_, missing) if missing > 0 && interrupt.load(Ordering::Relaxed) => {
            Status::Interrupted { missing }
        }
        (false, _) => Status::AlreadyDone,
        _ => Status::Done,
    };
    let exported = match (&experiment.export, unfinished) {
        (Some(export), 0) => export::recipe(experiment, export, &folder, &results)?,
        _ => None,
    };
    let table = Table::new(experiment, &results)?;
    let settled = layer_pairs::settled(experiment, &folder)?;
    let sentences = report::write(&settled, &folder, &results, &table)?;
    Ok(Summary {
        status,
        table,
        sentences,
        report: folder.report(),
        exported,
    })
}

fn collect(folder: &RunFolder, jobs: &[Job<'_>]) -> Result<Vec<RunResult>> {
    let mut results = Vec::new();
    for job in jobs {
        results.extend(finished(folder, job)?);
    }
    Ok(results)
}

/// Loads the teacher and computes what the students need from it.
fn guidance(
    experiment: &Experiment,
    replaced_by: Option<&Path>,
    images: &Images,
    folder: &RunFolder,
    progress: &dyn Progress,
) -> Result<Option<Guidance>> {
    let (true, Some(config)) = (experiment.distils(), &experiment.teacher) else {
        return Ok(None);
    };
    let teacher = teacher::load(config, replaced_by, progress)?;
    refuse_other_teacher(folder, &teacher)?;
    let experiment =
        &layer_pairs::settle(experiment, teacher.model.as_ref(), images, folder, progress)?;
    let (Some(distillation), Some(plan)) = (&experiment.distillation, cache_plan(experiment)?)
    else {
        return Ok(None);
    };
    let analysis = Analysis::new(
        teacher.model.as_ref(),
        images,
        experiment.spectra.per_class,
        distillation.pairs.listed(),
    )?;
    analysis.write_spectra(teacher.model.as_ref(), &folder.sub("teacher")?)?;
    let cache = TeacherCache::build(
        teacher.model.as_ref(),
        &images.plain(&images.train)?,
        &plan,
        progress,
    )?;
    let spectral_to_mse = cache.spectral_to_mse(&plan.targets)?;
    let accuracy = score(
        teacher.model.as_ref(),
        &images.plain(&images.test)?,
        plan.batch,
        Some((progress, "teacher accuracy")),
    )?;
    Ok(Some(Guidance {
        top1: 100.0 * accuracy.top1()?,
        teacher,
        cache: Arc::new(cache),
        analysis: Arc::new(analysis),
        spectral_to_mse,
    }))
}

/// Runs of one folder must have had one teacher.
fn refuse_other_teacher(folder: &RunFolder, teacher: &LoadedTeacher) -> Result<()> {
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
fn record(
    experiment: &Experiment,
    options: &Options,
    images: &Images,
    guidance: Option<&Guidance>,
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
    let mut invocations = earlier.map(|m| m.invocations).unwrap_or_default();
    invocations.push(Invocation {
        started: now(),
        provenance: options.provenance.clone(),
        seeds: experiment.seeds.clone(),
        threads: options.threads,
        device: "cpu".into(),
        machine: machine(),
    });
    let manifest = Manifest {
        experiment: experiment.name.clone(),
        profile: experiment.profile.clone(),
        invocations,
        data: images.record.clone(),
        teacher: guidance.map(|g| TeacherRecord {
            weights: g.teacher.path.display().to_string(),
            sha256: g.teacher.sha256.clone(),
            params: g.teacher.model.info().params,
            top1: g.top1,
            made: g.teacher.made.clone(),
        }),
        spectral_to_mse: guidance.map(|g| g.spectral_to_mse),
    };
    manifest.write(&path)
}

/// Trains the teacher by its recipe; its weights stay in the recipe's run folder.
fn train_teacher(
    experiment: &Experiment,
    options: &Options,
    progress: &dyn Progress,
    interrupt: &AtomicBool,
) -> Result<PathBuf> {
    let recipe = experiment
        .teacher
        .as_ref()
        .and_then(|t| t.recipe.as_ref())
        .ok_or_else(|| {
            Error::Missing("--train-teacher: the experiment names no `teacher.recipe`".into())
        })?;
    let mut recipe = config::load(recipe, None, &[])?;
    let out = options.runs.join(&recipe.name).join(&recipe.profile);
    let weights = out.join("teacher.safetensors");
    let at_least = recipe.export.as_ref().map_or(0.0, |e| e.at_least);
    recipe.export = Some(Export {
        weights: weights.clone(),
        at_least,
    });
    progress.note(&format!(
        "training the teacher: {} ({})",
        recipe.name, recipe.profile
    ));
    let summary = reproduce(
        &recipe,
        &Options {
            out,
            train_teacher: false,
            ..options.clone()
        },
        progress,
        interrupt,
    )?;
    match summary.status {
        Status::Interrupted { .. } => Err(Error::Missing(
            "stopped while training the teacher; the same command goes on".into(),
        )),
        _ => Ok(weights),
    }
}
