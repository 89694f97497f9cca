//! Training one run after the other, or several side by side on their own threads.
//!
//! The models of the quick profiles are so small that two runs with one thread each finish
//! sooner than one after the other with two. Kernels give the same bits with any number of
//! threads, so the split changes no result.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use candle_core::Device;
use spectralkd_base::files::write_json;
use spectralkd_base::progress::Progress;
use spectralkd_models::weights;
use spectralkd_trainer::{AVERAGE, Alone, Group, Outcome, Status, TrainConfig, Trainer, ranks};

use crate::config::{Experiment, Floor, Variant};
use crate::data::Images;
use crate::error::{Error, Result};
use crate::first_weights::FirstWeights;
use crate::folder::RunFolder;
use crate::manifest::read_json;
use crate::measure::{Measured, TEST_LOSS, TEST_TOP1, TEST_TOP5};
use crate::results::{FLOOR, RunResult, Scores};
use crate::tasks::{self, RunTask};
use crate::teaching::Teaching;

/// What all runs of an experiment share.
pub struct Runs<'a> {
    /// The experiment, its pairs listed.
    pub experiment: &'a Experiment,
    /// Where results go.
    pub folder: &'a RunFolder,
    /// Training and test images.
    pub images: Arc<Images>,
    /// Where models are trained.
    pub device: Device,
    /// What students start from.
    pub first: FirstWeights,
    /// The teacher and what was computed from it.
    pub teaching: Option<Teaching>,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Set from outside to stop after the step under way.
    pub interrupt: &'a AtomicBool,
}

/// One run to do.
#[derive(Clone, Copy, Debug)]
pub enum Run<'a> {
    /// A variant with a seed.
    Student(&'a Variant, u64),
    /// The linear classifier with a seed.
    Floor(&'a Floor, u64),
}

impl Run<'_> {
    /// The folder's name: the variant, or [`FLOOR`].
    pub fn name(&self) -> &str {
        match self {
            Self::Student(variant, _) => &variant.name,
            Self::Floor(..) => FLOOR,
        }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        match self {
            Self::Student(_, seed) | Self::Floor(_, seed) => *seed,
        }
    }
}

/// All runs of an experiment, seed by seed, so that what is done first can be compared.
pub fn runs(experiment: &Experiment) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    for &seed in &experiment.seeds {
        runs.extend(experiment.floor.iter().map(|f| Run::Floor(f, seed)));
        runs.extend(experiment.variants.iter().map(|v| Run::Student(v, seed)));
    }
    runs
}

/// The result of a run, if it has finished.
///
/// # Errors
/// The file is there but damaged.
pub fn finished(folder: &RunFolder, run: &Run<'_>) -> Result<Option<RunResult>> {
    let path = folder.run(run.name(), run.seed())?.join("result.json");
    if path.is_file() {
        read_json(&path).map(Some)
    } else {
        Ok(None)
    }
}

impl Runs<'_> {
    /// Does these runs, `lanes` at a time with `threads / lanes` threads each; a run's ranks share its threads, at least
    /// one each.
    ///
    /// # Errors
    /// The first error of any run; the others stop at their next step, with their state saved.
    pub fn work(&self, runs: &[Run<'_>], lanes: usize, threads: usize) -> Result<()> {
        let queue: Mutex<VecDeque<Run<'_>>> = Mutex::new(runs.iter().copied().collect());
        let failed = Mutex::new(None);
        let stop = AtomicBool::new(false);
        let next = || queue.lock().ok().and_then(|mut q| q.pop_front());
        std::thread::scope(|scope| {
            let threads = (threads / lanes.max(1)).max(1);
            let (next, stop, failed) = (&next, &stop, &failed);
            for _ in 0..lanes.max(1) {
                scope.spawn(move || {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    let result = match pool {
                        Err(e) => Err(Error::Threads(e.to_string())),
                        Ok(pool) => pool.install(|| {
                            while !stop.load(Ordering::Relaxed)
                                && !self.interrupt.load(Ordering::Relaxed)
                            {
                                let Some(run) = next() else { break };
                                self.run(&run, threads, stop)?;
                            }
                            Ok(())
                        }),
                    };
                    if let Err(e) = result {
                        stop.store(true, Ordering::Relaxed);
                        if let Ok(mut first) = failed.lock() {
                            first.get_or_insert(e);
                        }
                    }
                });
            }
        });
        match failed.into_inner() {
            Ok(Some(e)) => Err(e),
            _ => Ok(()),
        }
    }

    /// Trains one run (or goes on with it) and writes its weights, spectra and result.
    fn run(&self, run: &Run<'_>, threads: usize, stop: &AtomicBool) -> Result<()> {
        let folder = self.folder.run(run.name(), run.seed())?;
        let name = format!("{}, seed {}", run.name(), run.seed());
        let halt = || stop.load(Ordering::Relaxed) || self.interrupt.load(Ordering::Relaxed);
        let train = |group: &mut dyn Group| {
            let (mut task, config) = self.task(run)?;
            let writes = group.rank() == 0;
            let trainer = Trainer::new(&config, &folder).name(&name);
            let trainer = trainer.interrupt(&halt).group(group);
            let outcome = trainer.run(&mut task, self.progress)?;
            match outcome.status {
                Status::Finished if writes => self.finish(run, &task, &outcome, &folder),
                Status::Finished | Status::Interrupted => Ok(()),
            }
        };
        match self.config(run).ranks {
            1 => train(&mut Alone),
            world => ranks(world, threads / world, |member| train(member)).map(|_| ()),
        }
    }

    /// The recipe of a run.
    fn config(&self, run: &Run<'_>) -> TrainConfig {
        let experiment = self.experiment;
        let mut config = match run {
            Run::Student(..) => experiment.train.clone(),
            Run::Floor(floor, _) => floor.train_config(&experiment.train),
        };
        config.min_lr = config.min_lr.min(config.lr);
        config.seed = run.seed();
        config
    }

    fn task(&self, run: &Run<'_>) -> Result<(RunTask, TrainConfig)> {
        let (experiment, images) = (self.experiment, &self.images);
        let config = self.config(run);
        let analysis = self.teaching.as_ref().map(|t| Arc::clone(&t.analysis));
        let task = match run {
            Run::Student(variant, _) => {
                let measured = Measured::new(images, &config, analysis)?;
                tasks::student(
                    experiment,
                    variant,
                    (images, &self.first),
                    self.teaching.as_ref(),
                    &config,
                    measured,
                )?
            }
            Run::Floor(..) => {
                let measured = Measured::new(images, &config, None)?;
                tasks::floor(experiment, (images, &self.device), &config, measured)?
            }
        };
        Ok((task, config))
    }

    fn finish(
        &self,
        run: &Run<'_>,
        task: &RunTask,
        outcome: &Outcome,
        folder: &Path,
    ) -> Result<()> {
        let made = serde_json::json!({
            "experiment": self.experiment.name,
            "profile": self.experiment.profile,
            "run": run.name(),
            "seed": run.seed(),
            "epochs": outcome.history.len(),
        });
        let student = task.student();
        let own = spectralkd_distillation::Student::of_model;
        weights::save(
            &folder.join("weights.safetensors"),
            &own(&outcome.weights),
            &made,
        )?;
        if let Some(average) = &outcome.ema {
            weights::save(&folder.join("average.safetensors"), &own(average), &made)?;
        }
        if let (Run::Student(..), Some(teaching)) = (run, &self.teaching) {
            teaching
                .analysis
                .write_spectra(student.model.as_ref(), &student.render, folder)?;
        }
        let last = outcome.history.last().map(|e| &e.metrics);
        let metric = |name: &str| last.and_then(|m| m.get(name).copied());
        let scores = |prefix: &str| {
            Some(Scores {
                top1: metric(&format!("{prefix}{TEST_TOP1}"))?,
                top5: metric(&format!("{prefix}{TEST_TOP5}"))?,
                loss: metric(&format!("{prefix}{TEST_LOSS}"))?,
            })
        };
        let result = RunResult {
            variant: run.name().to_owned(),
            seed: run.seed(),
            epochs: outcome.history.len() as u64,
            scores: scores("").ok_or_else(|| Error::RunFolder {
                path: folder.to_owned(),
                message: "there is no accuracy after its last epoch".into(),
            })?,
            average: scores(AVERAGE),
            seconds: outcome.history.iter().map(|e| e.seconds).sum(),
        };
        Ok(write_json(&folder.join("result.json"), &result)?)
    }
}
