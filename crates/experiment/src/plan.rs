//! What an experiment will do and cost, before it does it.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_models::{ModelConfig, Taps};
use spectralkd_nn::{Params, Pass};

use crate::cache::{CachePlan, Target};
use crate::config::Experiment;
use crate::error::Result;

/// Sizes of the data that a plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct DataSize {
    /// Training images.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// Test images of the learning curves.
    pub curve: usize,
}

/// Work and memory of an experiment.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Parameters of the trained model.
    pub params: u64,
    /// Multiply-accumulates of its forward pass, per image.
    pub macs: u64,
    /// Parameters and multiply-accumulates of the teacher.
    pub teacher: Option<(u64, u64)>,
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
    /// Bytes of the teacher's outputs in memory.
    pub cache_bytes: u64,
}

impl Plan {
    /// Counts the work.
    ///
    /// # Errors
    /// A model that cannot be built (a checked experiment has none).
    pub fn new(experiment: &Experiment, size: DataSize) -> Result<Self> {
        let info = experiment.model.info()?;
        let runs = experiment.variants.len() * experiment.seeds.len();
        let steps_per_epoch = (size.train / experiment.train.batch_size) as u64;
        let steps = steps_per_epoch * experiment.train.epochs;
        let forward = 2.0 * info.macs as f64;
        let trained = (steps * experiment.train.batch_size as u64) as f64 * runs as f64;
        let evaluated =
            (size.test as f64 + size.curve as f64 * experiment.train.epochs as f64) * runs as f64;
        let (mut teacher, mut teacher_flops, mut cache_bytes) = (None, 0.0, 0);
        if let (Some(t), Some(cache)) = (&experiment.teacher, cache_plan(experiment)?) {
            let info = t.model.info()?;
            let versions = if cache.flip { 2 } else { 1 };
            teacher = Some((info.params, info.macs));
            teacher_flops = 2.0 * info.macs as f64 * (size.train * versions + size.test) as f64;
            cache_bytes = cache.bytes(size.train, info.classes, &info.taps);
        }
        Ok(Self {
            params: info.params,
            macs: info.macs,
            teacher,
            runs,
            steps,
            training_flops: 3.0 * forward * trained,
            evaluation_flops: forward * evaluated,
            teacher_flops,
            cache_bytes,
        })
    }

    /// The plan as lines of a key and a value.
    pub fn lines(&self, experiment: &Experiment, size: DataSize) -> Vec<(String, String)> {
        let million = |n: u64| n as f64 / 1e6;
        let mut lines = vec![(
            "images".to_owned(),
            format!("{} for training, {} for testing", size.train, size.test),
        )];
        if let Some((params, macs)) = self.teacher {
            let text = format!(
                "{:.2} M parameters, {:.1} MMACs per image; outputs kept in {:.0} MB",
                million(params),
                million(macs),
                self.cache_bytes as f64 / 1e6,
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
        let rate = training_rate(&experiment.model, experiment.train.batch_size)?;
        let lanes = threads.min(self.runs).max(1) as f64;
        let runs = (self.training_flops + self.evaluation_flops) / (rate * lanes);
        let teacher = self.teacher_flops / (rate * threads as f64);
        Ok((runs + teacher) / 60.0)
    }
}

/// What of the teacher is kept in memory; `None` where nothing distils.
///
/// # Errors
/// A model that cannot be built (a checked experiment has none).
pub fn cache_plan(experiment: &Experiment) -> Result<Option<CachePlan>> {
    let (true, Some(distillation)) = (experiment.distils(), &experiment.distillation) else {
        return Ok(None);
    };
    let student = experiment.model.info()?;
    let target = |&(s, t): &(usize, usize)| Target {
        block: t,
        channels: student.taps.get(s).map_or(0, |tap| tap[0]),
    };
    let mut targets: Vec<Target> = distillation.pairs.listed().iter().map(target).collect();
    targets.sort_unstable();
    targets.dedup();
    Ok(Some(CachePlan {
        targets,
        flip: experiment.data.flip,
        batch: experiment.train.eval_batch_size,
    }))
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
