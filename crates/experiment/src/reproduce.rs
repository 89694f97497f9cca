//! One experiment from its plan to its report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use spectralkd_base::progress::Progress;
use spectralkd_base::provenance::Provenance;
use spectralkd_distillation::{Teacher, shapes};
use spectralkd_runtime::Runtime;

use crate::analysis::Analysis;
use crate::config::{self, Experiment, Export};
use crate::data::{self, Images};
use crate::error::{Error, Result};
use crate::export;
use crate::first_weights::FirstWeights;
use crate::folder::RunFolder;
use crate::layer_pairs;
use crate::manifest::Manifest;
use crate::plan::Plan;
use crate::record::{record, refuse_other_teacher};
use crate::report;
use crate::results::{RunResult, Table};
use crate::runs::{Run, Runs, finished, runs};
use crate::teacher;
use crate::teaching::{self, Teaching};

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
    /// Runs side by side; `None` for as many as leave each rank a thread.
    pub jobs: Option<usize>,
    /// Whether to move an earlier folder aside.
    pub fresh: bool,
    /// Whether to train the teacher by its recipe first.
    pub train_teacher: bool,
    /// Where models are trained; what is kept in main memory and written stays the same.
    pub runtime: Runtime,
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

/// The plan as lines of a key and a value; with `probe` also an estimate of the time, and whether the teacher's weights
/// are there.
///
/// # Errors
/// The data cannot be read, weights are missing, or the probe failed.
pub fn plan(
    experiment: &Experiment,
    options: &Options,
    probe: bool,
) -> Result<Vec<(String, String)>> {
    let images = data::open(experiment, options.data.as_deref())?;
    let plan = Plan::new(experiment, &images)?;
    let mut lines = plan.lines(experiment);
    if probe {
        if let (true, false, Some(teacher)) = (
            experiment.distils(),
            options.train_teacher,
            &experiment.teacher,
        ) {
            teacher::check_present(teacher)?;
        }
        // How fast a card is shows when it runs.
        if options.runtime.device.is_cpu() {
            let minutes = plan.minutes(experiment, options.threads)?;
            let threads = options.threads;
            lines.push((
                "time".into(),
                format!("about {minutes:.1} minutes with {threads} threads"),
            ));
        }
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
    let images = Arc::new(data::open(experiment, options.data.as_deref())?);
    let all = runs(experiment);
    let mut missing = Vec::new();
    for run in &all {
        if finished(&folder, run)?.is_none() {
            missing.push(*run);
        }
    }
    let begun = !missing.is_empty() || Manifest::read(&folder.manifest())?.is_none();
    if begun {
        let retrained = retrained.as_deref();
        let first = FirstWeights::load(experiment, &images, &options.runtime.device, progress)?;
        let given = (&*images, &first);
        let device = &options.runtime.device;
        let teaching = teaching(experiment, (retrained, device), given, &folder, progress)?;
        record(experiment, options, given, teaching.as_ref(), &folder)?;
        let work = Runs {
            experiment: &layer_pairs::chosen(experiment, &folder)?,
            folder: &folder,
            images,
            device: device.clone(),
            first,
            teaching,
            progress,
            interrupt,
        };
        let most = (options.threads / experiment.train.ranks).max(1);
        // A card has enough to do with one run.
        let most = if device.is_cpu() { most } else { 1 };
        let lanes = options.jobs.unwrap_or(most).min(missing.len());
        work.work(&missing, lanes, options.threads)?;
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
    let chosen = layer_pairs::chosen(experiment, &folder)?;
    let sentences = report::write(&chosen, &folder, &results, &table)?;
    Ok(Summary {
        status,
        table,
        sentences,
        report: folder.report(),
        exported,
    })
}

fn collect(folder: &RunFolder, runs: &[Run<'_>]) -> Result<Vec<RunResult>> {
    let mut results = Vec::new();
    for run in runs {
        results.extend(finished(folder, run)?);
    }
    Ok(results)
}

/// Loads the teacher and computes what the students need from it.
fn teaching(
    experiment: &Experiment,
    (replaced_by, device): (Option<&Path>, &Device),
    (images, first): (&Images, &FirstWeights),
    folder: &RunFolder,
    progress: &dyn Progress,
) -> Result<Option<Teaching>> {
    let (true, Some(config)) = (experiment.distils(), &experiment.teacher) else {
        return Ok(None);
    };
    let loaded = teacher::load(experiment, config, replaced_by, images, device, progress)?;
    refuse_other_teacher(folder, &loaded)?;
    let frozen = &loaded.teacher;
    let experiment = &layer_pairs::choose(experiment, frozen, (images, first), folder, progress)?;
    let per_class = experiment.spectra.per_class;
    let analysis = Analysis::new(experiment, frozen, images, per_class)?;
    let spectra = folder.sub("teacher")?;
    analysis.write_spectra(frozen.model(), frozen.render(), &spectra)?;
    let (teacher, placement, wanted) = teaching::place(experiment, &loaded, images, progress)?;
    let sample = teaching::sample(frozen, images, &wanted, experiment.train.eval_batch_size)?;
    let student = shapes(&images.student(&experiment.model)?.info()?);
    let spectral_to_mse = teaching::shared_ratio(experiment, &sample, &student, frozen.shapes())?;
    let top1 = match frozen.columns().refusal() {
        Some(_) => None,
        None => Some(teaching::top1(experiment, frozen, images, progress)?),
    };
    Ok(Some(Teaching {
        loaded,
        teacher,
        placement,
        analysis: Arc::new(analysis),
        top1,
        sample,
        spectral_to_mse,
    }))
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
            Error::Teacher("--train-teacher: the experiment names no `teacher.recipe`".into())
        })?;
    let mut recipe = config::load(recipe, None, &[])?;
    let out = options.runs.join(&recipe.name).join(&recipe.profile);
    let weights = out.join("teacher.safetensors");
    let at_least = recipe.export.as_ref().map_or(0.0, |e| e.at_least);
    recipe.export = Some(Export {
        weights: weights.clone(),
        at_least,
        average: false,
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
        Status::Interrupted { .. } => Err(Error::Stopped),
        _ => Ok(weights),
    }
}
