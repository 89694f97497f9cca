//! A small task with everything a real one has: two layers, seeded batches, two loss parts, a
//! frozen teacher, and, where a test asks for it, something wrong.
#![allow(dead_code)] // each test file uses a part of it

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use candle_core::{DType, Device, Tensor, Var};
use serde_json::json;
use spectralkd_base::progress::Silent;
use spectralkd_base::random::Stream;
use spectralkd_trainer::events::{self, Event};
use spectralkd_trainer::{
    Cursor, Metrics, Outcome, Parts, Result, Step, Task, TaskError, TrainConfig, Trainer, train,
};

pub const STEPS: u64 = 10;
const BATCH: u64 = 8;
const INPUTS: usize = 6;
const HIDDEN: usize = 16;

/// What a test makes go wrong, or look at.
#[derive(Default)]
pub struct Quirks {
    /// The loss is multiplied by NaN at this global step.
    pub nan_at: Option<u64>,
    /// The gradient (not the loss) of `fc2.bias` is infinite at this global step.
    pub infinite_gradient_at: Option<u64>,
    /// Drawing the batch of this global step fails.
    pub fail_at: Option<u64>,
    /// `unused` is trainable, but the loss does not know it.
    pub unused: bool,
    /// The gradient of `fc1.weight` is zero.
    pub dead_layer: bool,
    /// The loss goes through a variable that nobody named.
    pub stray_variable: bool,
    /// The teacher's weight is a variable.
    pub tracked_teacher: bool,
    /// The teacher is fed from the student, so that its weight gets a gradient.
    pub fed_teacher: bool,
    /// The rows that the task says may have a zero gradient.
    pub exempt: Option<(&'static str, Range<usize>)>,
    /// How long each step sleeps.
    pub pause: Duration,
}

pub struct Net {
    pub vars: BTreeMap<String, Var>,
    pub frozen: BTreeMap<String, Tensor>,
    pub quirks: Quirks,
    stray: Var,
    seed: u64,
    /// Calls of `evaluate`, by epoch.
    pub evaluated: Vec<u64>,
}

impl Net {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Quirks::default())
    }

    pub fn with(seed: u64, quirks: Quirks) -> Self {
        let init = Stream::new(seed, "init");
        let var = |name: &str, shape: &[usize]| {
            let values = draw(&init.named(name), shape.iter().product(), 0.3);
            Var::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        let mut vars = BTreeMap::from([
            (
                "fc1.weight".to_string(),
                var("fc1.weight", &[HIDDEN, INPUTS]),
            ),
            ("fc1.bias".to_string(), var("fc1.bias", &[HIDDEN])),
            ("fc2.weight".to_string(), var("fc2.weight", &[1, HIDDEN])),
            ("fc2.bias".to_string(), var("fc2.bias", &[1])),
        ]);
        if quirks.unused {
            vars.insert("unused".to_string(), var("unused", &[2, 2]));
        }
        let teacher = var("teacher", &[INPUTS, 1]);
        let teacher = if quirks.tracked_teacher {
            teacher.into_inner()
        } else {
            teacher.as_detached_tensor()
        };
        Self {
            vars,
            frozen: BTreeMap::from([("teacher.weight".to_string(), teacher)]),
            quirks,
            stray: Var::new(&[[1f32]], &Device::Cpu).unwrap(),
            seed,
            evaluated: Vec::new(),
        }
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let fc1 = self.vars["fc1.weight"].as_tensor();
        let fc1 = if self.quirks.dead_layer {
            // Not `* 0.0`, which candle takes out of the graph.
            (fc1 * fc1.zeros_like()?)?
        } else {
            fc1.clone()
        };
        let hidden = x
            .matmul(&fc1.t()?)?
            .broadcast_add(&self.vars["fc1.bias"])?
            .tanh()?;
        hidden
            .matmul(&self.vars["fc2.weight"].t()?)?
            .broadcast_add(&self.vars["fc2.bias"])
    }

    fn losses(&self, x: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        let out = self.forward(x)?;
        let target = x.sqr()?.sum_keepdim(1)?;
        let teacher = x.matmul(&self.frozen["teacher.weight"])?;
        Ok((
            (&out - target)?.sqr()?.mean_all()?,
            (out - teacher)?.sqr()?.mean_all()?,
        ))
    }
}

/// Normal numbers from a stream.
fn draw(stream: &Stream, n: usize, scale: f64) -> Vec<f32> {
    let mut stream = stream.clone();
    (0..n).map(|_| (stream.normal() * scale) as f32).collect()
}

impl Task for Net {
    type Batch = Tensor;

    fn identity(&self) -> serde_json::Value {
        json!({ "model": { "hidden": HIDDEN }, "seed": self.seed })
    }

    fn steps_per_epoch(&self) -> u64 {
        STEPS
    }

    fn start(&self) -> Cursor {
        Cursor(json!({ "epoch": 0, "batch": 0 }))
    }

    fn next(&mut self, cursor: &Cursor) -> Result<(Tensor, Cursor), TaskError> {
        let place = |key: &str| {
            cursor.0[key]
                .as_u64()
                .ok_or(format!("no {key} in the cursor"))
        };
        let (epoch, batch) = (place("epoch")?, place("batch")?);
        if self.quirks.fail_at == Some(epoch * STEPS + batch) {
            return Err("the disk with the images is gone".into());
        }
        std::thread::sleep(self.quirks.pause);
        let order = Stream::new(self.seed, "shuffle")
            .at(epoch)
            .permutation((STEPS * BATCH) as usize);
        let samples = &order[(batch * BATCH) as usize..][..BATCH as usize];
        let data = Stream::new(self.seed, "data");
        let rows: Vec<f32> = samples
            .iter()
            .flat_map(|&i| draw(&data.at(u64::from(i)), INPUTS, 1.0))
            .collect();
        let x = Tensor::from_vec(rows, (BATCH as usize, INPUTS), &Device::Cpu)?;
        let next = if batch + 1 == STEPS {
            (epoch + 1, 0)
        } else {
            (epoch, batch + 1)
        };
        Ok((x, Cursor(json!({ "epoch": next.0, "batch": next.1 }))))
    }

    fn loss(&mut self, x: &Tensor, step: Step) -> Result<Parts, TaskError> {
        let (mse, kd) = self.losses(x)?;
        let mut total = (&mse + (&kd * 0.1)?)?;
        let quirks = &self.quirks;
        if quirks.nan_at == Some(step.global) {
            total = (total * f64::NAN)?;
        }
        if quirks.infinite_gradient_at == Some(step.global) {
            // The root of zero: its value is zero, its slope is not finite.
            let bias = &self.vars["fc2.bias"];
            let zero = (bias.as_tensor() - bias.as_detached_tensor().copy()?)?;
            total = (total + zero.sqrt()?.sum_all()?)?;
        }
        if quirks.stray_variable {
            total = (total * self.stray.sum_all()?)?;
        }
        if quirks.fed_teacher {
            let hidden = self.vars["fc2.weight"].narrow(1, 0, INPUTS)?;
            let fed = hidden
                .matmul(&self.frozen["teacher.weight"])?
                .sqr()?
                .sum_all()?;
            total = (total + fed)?;
        }
        Ok(Parts {
            total,
            parts: vec![("mse".into(), mse), ("kd".into(), kd)],
            samples: BATCH,
        })
    }

    fn trainable(&self) -> &BTreeMap<String, Var> {
        &self.vars
    }

    fn frozen(&self) -> &BTreeMap<String, Tensor> {
        &self.frozen
    }

    fn zero_gradient(&self, name: &str, _: Step) -> Option<Range<usize>> {
        let (exempt, rows) = self.quirks.exempt.clone()?;
        (name == exempt).then_some(rows)
    }

    fn evaluate(&mut self, epoch: u64) -> Result<Metrics, TaskError> {
        self.evaluated.push(epoch);
        let x = draw(&Stream::new(self.seed, "test"), 32 * INPUTS, 1.0);
        let (mse, _) = self.losses(&Tensor::from_vec(x, (32, INPUTS), &Device::Cpu)?)?;
        Ok(Metrics::from([(
            "mse".into(),
            f64::from(mse.to_scalar::<f32>()?),
        )]))
    }
}

/// Four epochs of ten steps, a checkpoint every three steps, an event for every step.
pub fn config() -> TrainConfig {
    TrainConfig {
        epochs: 4,
        lr: 0.01,
        warmup_epochs: 1,
        ema: Some(0.9),
        clip_grad: Some(5.0),
        checkpoint_every_steps: Some(3),
        log_every_steps: 1,
        ..TrainConfig::default()
    }
}

/// Every tensor of a set as (name, shape, bits).
pub fn bits(tensors: &BTreeMap<String, Tensor>) -> Vec<(String, Vec<usize>, Vec<u64>)> {
    let all = tensors.iter().map(|(name, tensor)| {
        assert_eq!(tensor.dtype(), DType::F32, "{name}");
        let bits = spectralkd_testing::bits(tensor);
        (name.clone(), tensor.dims().to_vec(), bits)
    });
    all.collect()
}

/// The names of the files in a run's folder of checkpoints, sorted.
pub fn checkpoints(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A run with nothing out of the ordinary.
pub fn run(net: &mut Net, config: &TrainConfig, folder: &Path) -> Result<Outcome> {
    train(net, config, folder, &Silent)
}

/// Runs until the interrupt has been asked `polls` times.
pub fn interrupted(
    net: &mut Net,
    config: &TrainConfig,
    folder: &Path,
    polls: u64,
) -> Result<Outcome> {
    let asked = Cell::new(0);
    let raised = || {
        asked.set(asked.get() + 1);
        asked.get() > polls
    };
    Trainer::new(config, folder)
        .interrupt(&raised)
        .run(net, &Silent)
}

/// The events in a run's folder.
pub fn log(folder: &Path) -> Vec<Event> {
    events::read(&folder.join(events::FILE)).unwrap()
}
