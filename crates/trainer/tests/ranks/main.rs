//! Several ranks train as one, and end as one.

#[path = "../common/mod.rs"]
mod common;
mod failures;
mod together;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use candle_core::{Device, Tensor, Var};
use common::{Net, Quirks, STEPS, checkpoints, config, log, run};
use spectralkd_base::progress::Silent;
use spectralkd_testing::relative;
use spectralkd_trainer::events::Event;
use spectralkd_trainer::{
    Cursor, Error, Group, Member, Metrics, Outcome, Parts, Result, Status, Step, Task, TaskError,
    TrainConfig, Trainer, ranks,
};

/// A rank's part of the net: of each batch every `world`th sample.
struct Part {
    net: Net,
    rank: usize,
    world: usize,
    /// The rank whose own code panics at this step.
    panics: Option<(usize, u64)>,
}

impl Part {
    fn of(net: Net) -> Self {
        Self {
            net,
            rank: 0,
            world: 1,
            panics: None,
        }
    }
}

impl Task for Part {
    type Batch = Tensor;

    fn identity(&self) -> serde_json::Value {
        self.net.identity()
    }

    fn steps_per_epoch(&self) -> u64 {
        self.net.steps_per_epoch()
    }

    fn start(&self) -> Cursor {
        self.net.start()
    }

    fn share(&mut self, rank: usize, world: usize) -> Result<(), TaskError> {
        (self.rank, self.world) = (rank, world);
        Ok(())
    }

    fn next(&mut self, cursor: &Cursor) -> Result<(Tensor, Cursor), TaskError> {
        let (batch, next) = self.net.next(cursor)?;
        let own: Vec<u32> = (self.rank..batch.dim(0)?)
            .step_by(self.world)
            .map(|row| row as u32)
            .collect();
        Ok((
            batch.index_select(&Tensor::new(own, &Device::Cpu)?, 0)?,
            next,
        ))
    }

    fn loss(&mut self, batch: &Tensor, step: Step) -> Result<Parts, TaskError> {
        assert!(
            self.panics != Some((self.rank, step.global)),
            "a bug in the task"
        );
        let parts = self.net.loss(batch, step)?;
        let samples = batch.dim(0)? as u64;
        Ok(Parts { samples, ..parts })
    }

    fn trainable(&self) -> &BTreeMap<String, Var> {
        self.net.trainable()
    }

    fn frozen(&self) -> &BTreeMap<String, Tensor> {
        self.net.frozen()
    }

    fn evaluate(&mut self, epoch: u64) -> Result<Metrics, TaskError> {
        assert_eq!(self.rank, 0, "rank 0 evaluates");
        self.net.evaluate(epoch)
    }
}

/// What `f` gives, or a panic after a minute: a rank that waits for ever must not keep the tests waiting.
fn in_time<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(f()));
    let minute = Duration::from_secs(60);
    receive
        .recv_timeout(minute)
        .expect("no rank to hang or panic")
}

/// Trains the net on several ranks; `change` may make one of them another.
fn train_on(
    world: usize,
    config: &TrainConfig,
    folder: &Path,
    change: impl Fn(usize, &mut Part) + Send + Sync + 'static,
) -> Result<Vec<Outcome>> {
    let (config, folder) = (config.clone(), folder.to_owned());
    in_time(move || {
        ranks(world, 1, |group: &mut Member| {
            let mut part = Part::of(Net::new(1));
            change(group.rank(), &mut part);
            Trainer::new(&config, &folder)
                .group(group)
                .run(&mut part, &Silent)
        })
    })
}

/// The largest difference between two sets of tensors, relative to the norm of each.
fn apart(one: &BTreeMap<String, Tensor>, other: &BTreeMap<String, Tensor>) -> f64 {
    assert!(one.keys().eq(other.keys()));
    let pairs = one.values().zip(other.values());
    let errors: Vec<f64> = pairs.map(|(a, b)| relative(b, a)).collect();
    // A maximum would lose NaN.
    assert!(errors.iter().all(|error| error.is_finite()));
    errors.into_iter().fold(0.0, f64::max)
}

/// (loss, mse, kd, norm, samples, rate) of every step.
fn steps(folder: &Path) -> Vec<[f64; 6]> {
    let events = log(folder);
    let steps = events.iter().filter_map(|event| match event {
        Event::Step(r) => Some([
            r.loss,
            r.parts["mse"],
            r.parts["kd"],
            r.grad_norm,
            r.samples as f64,
            r.lr,
        ]),
        _ => None,
    });
    steps.collect()
}

fn close(one: &Path, other: &Path, tolerance: f64) {
    let (one, other) = (steps(one), steps(other));
    assert_eq!(
        (one.len(), other.len()),
        (4 * STEPS as usize, 4 * STEPS as usize)
    );
    for (step, (a, b)) in one.iter().zip(&other).enumerate() {
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= tolerance * a.abs(), "step {step}: {a} {b}");
        }
    }
}
