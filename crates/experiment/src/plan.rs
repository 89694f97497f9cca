//! What an experiment will do and cost, before it does it.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_distillation::{Placement, shapes};
use spectralkd_losses::Shapes;
use spectralkd_models::{ModelConfig, Taps};
use spectralkd_nn::{Params, Pass};

use crate::config::{self, Experiment};
use crate::data::{DataSize, Images};
use crate::error::{Error, Result};
use crate::{layer_pairs, teacher, teaching};

/// Work and memory of an experiment.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Parameters of the trained model.
    pub params: u64,
    /// Multiply-accumulates of its forward pass, per image.
    pub macs: u64,
    /// The teacher, where one is needed.
    pub teacher: Option<PlannedTeacher>,
    /// Runs: variants times seeds.
    pub runs: usize,
    /// Steps of one run.
    pub steps: u64,
    /// Floating-point operations of all training steps (a backward pass counts as two forward passes).
    pub training_flops: f64,
    /// Floating-point operations of the evaluations after every epoch.
    pub evaluation_flops: f64,
    /// Floating-point operations of the teacher's outputs.
    pub teacher_flops: f64,
    /// Images.
    pub size: DataSize,
    /// The trained model.
    student: ModelConfig,
}

/// The teacher of a plan.
#[derive(Clone, Debug)]
pub struct PlannedTeacher {
    /// Parameters.
    pub params: u64,
    /// Multiply-accumulates of its forward pass, per image.
    pub macs: u64,
    /// Whether its outputs are kept or computed on every batch, and why.
    pub placement: Placement,
}

impl Plan {
    /// Counts the work.
    ///
    /// # Errors
    /// A model that cannot be built, or a loss that cannot be computed between these models.
    pub fn new(experiment: &Experiment, images: &Images) -> Result<Self> {
        let size = images.counts();
        let info = images.student(&experiment.model)?.info()?;
        let runs = experiment.variants.len() * experiment.seeds.len();
        if experiment.train.batch_size > size.train {
            return Err(Error::Data(format!(
                "`train.batch_size` is {}, and there are {} training images: a batch takes at most all of them",
                experiment.train.batch_size, size.train
            )));
        }
        let steps_per_epoch = (size.train / experiment.train.batch_size) as u64;
        let steps = steps_per_epoch * experiment.train.epochs;
        let forward = 2.0 * info.macs as f64;
        let views = (steps * experiment.train.batch_size as u64) as f64;
        let evaluated = size.test as f64 + size.curve as f64 * experiment.train.epochs as f64;
        let mut plan = Self {
            size,
            params: info.params,
            macs: info.macs,
            teacher: None,
            runs,
            steps,
            training_flops: 3.0 * forward * views * runs as f64,
            evaluation_flops: forward * evaluated * runs as f64,
            teacher_flops: 0.0,
            student: images.student(&experiment.model)?,
        };
        if let Some(teacher) = experiment.teacher.as_ref().filter(|_| experiment.distils()) {
            plan.count_teacher(experiment, teacher, images, views)?;
        }
        Ok(plan)
    }

    fn count_teacher(
        &mut self,
        experiment: &Experiment,
        teacher: &config::Teacher,
        images: &Images,
        views: f64,
    ) -> Result<()> {
        let student = self.student.info()?;
        let config = teacher::config(teacher, images.classes().len(), images.channels())?;
        let info = config.info()?;
        let layers = (student.taps.len(), info.taps.len());
        let experiment = &layer_pairs::estimated(experiment, layers)?;
        let (ours, theirs) = (shapes(&student), shapes(&info));
        let taught = Shapes {
            classes: ours.classes,
            ..theirs
        };
        let (placement, _) = teaching::placement(experiment, images, &ours, &taught)?;
        let passes = match placement {
            Placement::Cached { .. } => {
                f64::from(images.versions().unwrap_or(1)) * self.size.train as f64
            }
            Placement::Online { .. } => {
                let distilled = experiment.variants.iter().filter(|v| v.uses_teacher());
                (distilled.count() * experiment.seeds.len()) as f64 * views
            }
        };
        self.teacher_flops = 2.0 * info.macs as f64 * (passes + self.size.test as f64);
        self.teacher = Some(PlannedTeacher {
            params: info.params,
            macs: info.macs,
            placement,
        });
        Ok(())
    }

    /// The plan as lines of a key and a value.
    pub fn lines(&self, experiment: &Experiment) -> Vec<(String, String)> {
        let size = self.size;
        let million = |n: u64| n as f64 / 1e6;
        let mut lines = vec![(
            "images".to_owned(),
            format!("{} for training, {} for testing", size.train, size.test),
        )];
        if let Some(teacher) = &self.teacher {
            let text = format!(
                "{:.2} M parameters, {:.1} MMACs per image; {}",
                million(teacher.params),
                million(teacher.macs),
                teacher.placement.in_words(),
            );
            lines.push(("teacher".into(), text));
        }
        lines.push((
            "model".into(),
            format!(
                "{:.3} M parameters, {:.1} MMACs per image",
                million(self.params),
                million(self.macs)
            ),
        ));
        lines.push((
            "runs".into(),
            format!(
                "{} variants x {} seeds, {} steps of {} images each ({} epochs)",
                experiment.variants.len(),
                experiment.seeds.len(),
                self.steps,
                experiment.train.batch_size,
                experiment.train.epochs,
            ),
        ));
        let tera = (self.training_flops + self.evaluation_flops + self.teacher_flops) / 1e12;
        lines.push(("work".into(), format!("{tera:.1} TFLOP")));
        lines
    }

    /// Minutes that the work will take with `threads` threads, from the speed of a few training
    /// steps on random images, one thread per run.
    ///
    /// # Errors
    /// The probe's forward or backward pass failed.
    pub fn minutes(&self, experiment: &Experiment, threads: usize) -> Result<f64> {
        let rate = training_rate(&self.student, experiment.train.batch_size)?;
        let lanes = threads.min(self.runs).max(1) as f64;
        let runs = (self.training_flops + self.evaluation_flops) / (rate * lanes);
        let teacher = self.teacher_flops / (rate * threads as f64);
        Ok((runs + teacher) / 60.0)
    }
}

/// Floating-point operations per second of a training step, on this thread's pool.
fn training_rate(config: &ModelConfig, batch: usize) -> Result<f64> {
    const STEPS: usize = 3;
    let info = config.info()?;
    let params = Params::new();
    let stream = Stream::new(0, "probe");
    let model = config.build(params.builder(&stream, DType::F32, &Device::Cpu))?;
    let mut noise = stream.named("images");
    let [c, h, w] = info.image;
    let pixels: Vec<f32> = (0..batch * c * h * w)
        .map(|_| noise.normal() as f32)
        .collect();
    let images = Tensor::from_vec(pixels, (batch, c, h, w), &Device::Cpu)?;
    let step = || -> Result<()> {
        let output = model.forward(&images, &Taps::None, &Pass::eval())?;
        output.logits.sqr()?.mean_all()?.backward()?;
        Ok(())
    };
    step()?;
    let start = Instant::now();
    for _ in 0..STEPS {
        step()?;
    }
    let flops = 6.0 * info.macs as f64 * (batch * STEPS) as f64;
    Ok(flops / start.elapsed().as_secs_f64().max(1e-9))
}
