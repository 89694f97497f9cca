//! Training one run after the other, or several side by side on their own threads.
//!
//! The models of the quick profiles are so small that two runs with one thread each finish
//! sooner than one after the other with two. Kernels give the same bits with any number of
//! threads, so the split changes no result.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device};
use spectralkd_base::files::write_json;
use spectralkd_base::progress::Progress;
use spectralkd_base::random::Stream;
use spectralkd_losses::{self as losses, DistillationLoss, FeatureLoss, SpectralForm};
use spectralkd_models::weights;
use spectralkd_nn::Params;
use spectralkd_trainer::{Outcome, Status, TrainConfig, Trainer};

use crate::analysis::Analysis;
use crate::cache::TeacherCache;
use crate::config::{Experiment, Feature, Floor, Logits, Train, Variant};
use crate::data::Images;
use crate::error::{Error, Result};
use crate::floor::PixelClassifier;
use crate::folder::RunFolder;
use crate::manifest::read_json;
use crate::results::{FLOOR, RunResult};
use crate::task::{ClassifierTask, Feed, Guide, TEST_LOSS, TEST_TOP1, TEST_TOP5};
use crate::teacher::LoadedTeacher;

/// What all runs of an experiment share.
pub struct Workshop<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// Where results go.
    pub folder: &'a RunFolder,
    /// Training and test images.
    pub images: &'a Images,
    /// The teacher and what was computed from it.
    pub guidance: Option<Guidance>,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Set from outside to stop after the step under way.
    pub interrupt: &'a AtomicBool,
}

/// The teacher's part of a [`Workshop`].
pub struct Guidance {
    /// The frozen model.
    pub teacher: LoadedTeacher,
    /// Its outputs on the training images.
    pub cache: Arc<TeacherCache>,
    /// Its features on the analysis batch.
    pub analysis: Arc<Analysis>,
    /// Its top-1 accuracy on the test images, in percent.
    pub top1: f64,
    /// Spectral loss over plain MSE, measured on its features.
    pub spectral_to_mse: f64,
}

/// One run to do.
#[derive(Clone, Copy, Debug)]
pub enum Job<'a> {
    /// A variant with a seed.
    Student(&'a Variant, u64),
    /// The linear classifier with a seed.
    Floor(&'a Floor, u64),
}

impl Job<'_> {
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
pub fn jobs(experiment: &Experiment) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for &seed in &experiment.seeds {
        jobs.extend(experiment.floor.iter().map(|f| Job::Floor(f, seed)));
        jobs.extend(experiment.variants.iter().map(|v| Job::Student(v, seed)));
    }
    jobs
}

/// The result of a run, if it has finished.
///
/// # Errors
/// The file is there but damaged.
pub fn finished(folder: &RunFolder, job: &Job<'_>) -> Result<Option<RunResult>> {
    let path = folder.run(job.name(), job.seed())?.join("result.json");
    if path.is_file() {
        read_json(&path).map(Some)
    } else {
        Ok(None)
    }
}

impl Workshop<'_> {
    /// Does all `jobs`, `lanes` at a time with `threads / lanes` threads each.
    ///
    /// # Errors
    /// The first error of any run; the others stop at their next step, with their state saved.
    pub fn work(&self, jobs: &[Job<'_>], lanes: usize, threads: usize) -> Result<()> {
        let queue: Mutex<VecDeque<Job<'_>>> = Mutex::new(jobs.iter().copied().collect());
        let failed = Mutex::new(None);
        let stop = AtomicBool::new(false);
        let next = || queue.lock().ok().and_then(|mut q| q.pop_front());
        std::thread::scope(|scope| {
            for _ in 0..lanes.max(1) {
                scope.spawn(|| {
                    let pool = rayon::ThreadPoolBuilder::new()
                        .num_threads((threads / lanes.max(1)).max(1))
                        .build();
                    let result = match pool {
                        Err(e) => Err(Error::Missing(format!("cannot start worker threads: {e}"))),
                        Ok(pool) => pool.install(|| {
                            while !stop.load(Ordering::Relaxed)
                                && !self.interrupt.load(Ordering::Relaxed)
                            {
                                let Some(job) = next() else { break };
                                self.run(&job, &stop)?;
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
    fn run(&self, job: &Job<'_>, stop: &AtomicBool) -> Result<()> {
        let folder = self.folder.run(job.name(), job.seed())?;
        let (mut task, config) = match job {
            Job::Student(variant, seed) => self.student(variant, *seed)?,
            Job::Floor(floor, seed) => self.floor(floor, *seed)?,
        };
        let name = format!("{}, seed {}", job.name(), job.seed());
        let halt = || stop.load(Ordering::Relaxed) || self.interrupt.load(Ordering::Relaxed);
        let trainer = Trainer::new(&config, &folder).name(&name).interrupt(&halt);
        let outcome = trainer.run(&mut task, self.progress)?;
        match outcome.status {
            Status::Interrupted => Ok(()),
            Status::Finished => self.finish(job, &task, &outcome, &folder),
        }
    }

    fn finish(
        &self,
        job: &Job<'_>,
        task: &ClassifierTask,
        outcome: &Outcome,
        folder: &Path,
    ) -> Result<()> {
        let made = serde_json::json!({
            "experiment": self.experiment.name,
            "profile": self.experiment.profile,
            "run": job.name(),
            "seed": job.seed(),
            "epochs": outcome.history.len(),
        });
        weights::save(&folder.join("weights.safetensors"), &outcome.weights, &made)?;
        if let (Job::Student(..), Some(guidance)) = (job, &self.guidance) {
            guidance
                .analysis
                .write_spectra(task.model.as_ref(), folder)?;
        }
        let last = outcome.history.last().map(|e| &e.metrics);
        let metric = |name: &str| last.and_then(|m| m.get(name).copied()).unwrap_or(f64::NAN);
        let result = RunResult {
            variant: job.name().to_owned(),
            seed: job.seed(),
            epochs: outcome.history.len() as u64,
            top1: metric(TEST_TOP1),
            top5: metric(TEST_TOP5),
            loss: metric(TEST_LOSS),
            seconds: outcome.history.iter().map(|e| e.seconds).sum(),
        };
        Ok(write_json(&folder.join("result.json"), &result)?)
    }

    fn student(&self, variant: &Variant, seed: u64) -> Result<(ClassifierTask, TrainConfig)> {
        let experiment = self.experiment;
        let params = Params::new();
        let init = Stream::new(seed, "initialisation");
        let model = experiment
            .model
            .build(params.builder(&init, DType::F32, &Device::Cpu))?;
        let guide = match (&self.guidance, &experiment.distillation) {
            (Some(guidance), Some(distillation)) if variant.uses_teacher() => Some(Guide {
                cache: Arc::clone(&guidance.cache),
                pairs: if variant.feature.is_some() {
                    distillation.pairs.listed().to_vec()
                } else {
                    Vec::new()
                },
                frozen: guidance.teacher.tensors.clone(),
            }),
            _ => None,
        };
        let recipe = &experiment.train;
        let identity = serde_json::json!({
            "experiment": experiment.name,
            "profile": experiment.profile,
            "variant": variant.name,
        });
        let task = ClassifierTask {
            model,
            trainable: params.vars(),
            config: Some(experiment.model.clone()),
            feed: self.feed(recipe.batch_size, seed)?,
            loss: self.loss(variant),
            guide,
            analysis: self.guidance.as_ref().map(|g| Arc::clone(&g.analysis)),
            epochs: recipe.epochs,
            seed,
            identity,
        };
        Ok((task, train_config(recipe, seed)))
    }

    fn floor(&self, floor: &Floor, seed: u64) -> Result<(ClassifierTask, TrainConfig)> {
        let data = &self.experiment.data;
        let params = Params::new();
        let init = Stream::new(seed, "initialisation");
        let vb = params.builder(&init, DType::F32, &Device::Cpu);
        let model = PixelClassifier::new(data.dataset.shape(), data.dataset.classes(), &vb)?;
        let loss = DistillationLoss {
            logits: losses::Logits::None,
            alpha: 0.0,
            tau: 1.0,
            smoothing: 0.0,
            beta: 0.0,
            feature: None,
        };
        let task = ClassifierTask {
            model: Box::new(model),
            trainable: params.vars(),
            config: None,
            feed: self.feed(floor.batch_size, seed)?,
            loss,
            guide: None,
            analysis: None,
            epochs: floor.epochs,
            seed,
            identity: serde_json::json!({ "experiment": self.experiment.name, "variant": FLOOR }),
        };
        let recipe = Train {
            epochs: floor.epochs,
            batch_size: floor.batch_size,
            lr: floor.lr,
            warmup_epochs: 0,
            min_lr: 0.0,
            weight_decay: 0.0,
            ema: None,
            ..self.experiment.train.clone()
        };
        Ok((task, train_config(&recipe, seed)))
    }

    fn feed(&self, batch: usize, seed: u64) -> Result<Feed> {
        let eval_batch = self.experiment.train.eval_batch_size;
        Feed::new(
            self.images,
            self.experiment.data.flip,
            batch,
            eval_batch,
            seed,
        )
    }

    fn loss(&self, variant: &Variant) -> DistillationLoss {
        let ratio = self.guidance.as_ref().map_or(1.0, |g| g.spectral_to_mse);
        let feature = variant.feature.map(|feature| match feature {
            Feature::Spectral => (FeatureLoss::Spectral(SpectralForm::Fft), variant.weight),
            Feature::SpectralParseval => (
                FeatureLoss::Spectral(SpectralForm::Parseval),
                variant.weight,
            ),
            Feature::Mse => (FeatureLoss::Mse, variant.weight),
            Feature::MseMatched => (FeatureLoss::Mse, variant.weight * ratio),
        });
        let shared = self.experiment.distillation.as_ref();
        DistillationLoss {
            logits: match variant.logits {
                Logits::None => losses::Logits::None,
                Logits::FeaturesOnly => losses::Logits::FeaturesOnly,
                Logits::Soft => losses::Logits::Soft,
                Logits::Hard => losses::Logits::Hard,
            },
            alpha: shared.map_or(0.0, |d| d.alpha),
            tau: shared.map_or(1.0, |d| d.tau),
            beta: shared.map_or(0.0, |d| d.beta),
            smoothing: self.experiment.train.label_smoothing,
            feature,
        }
    }
}

/// The trainer's configuration of a recipe.
fn train_config(recipe: &Train, seed: u64) -> TrainConfig {
    TrainConfig {
        epochs: recipe.epochs,
        lr: recipe.lr,
        min_lr: recipe.min_lr.min(recipe.lr),
        warmup_lr: recipe.warmup_lr,
        warmup_epochs: recipe.warmup_epochs,
        cadence: recipe.schedule,
        weight_decay: recipe.weight_decay,
        betas: recipe.betas,
        eps: recipe.eps,
        clip_grad: recipe.clip_grad,
        ema: recipe.ema,
        seed,
        checkpoint_every_steps: recipe.checkpoint_steps,
        ..TrainConfig::default()
    }
}
