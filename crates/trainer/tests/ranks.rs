//! Several ranks train as one, and end as one.

#[path = "common/mod.rs"]
mod common;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use candle_core::{Device, Tensor, Var};
use common::{Net, Quirks, STEPS, checkpoints, config, log, run};
use spectralkd_base::progress::Silent;
use spectralkd_testing::flat;
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
    assert_eq!(
        one.keys().collect::<Vec<_>>(),
        other.keys().collect::<Vec<_>>()
    );
    let of = |(a, b): (&Tensor, &Tensor)| {
        let (a, b) = (flat(a), flat(b));
        let norm: f64 = a.iter().map(|x| x * x).sum();
        let off: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
        (off / norm).sqrt()
    };
    one.values().zip(other.values()).map(of).fold(0.0, f64::max)
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

#[test]
fn ranks_come_to_what_one_comes_to() {
    let whole = tempfile::tempdir().unwrap();
    let reference = run(&mut Net::new(1), &config(), whole.path()).unwrap();
    // Eight samples: four each; three, three and two.
    for world in [2, 3] {
        let folder = tempfile::tempdir().unwrap();
        let outcomes = train_on(world, &config(), folder.path(), |_, _| {}).unwrap();
        close(whole.path(), folder.path(), 1e-5);
        let first = &outcomes[0];
        assert!(apart(&reference.weights, &first.weights) < 1e-5);
        let average = |outcome: &Outcome| outcome.ema.clone().unwrap();
        assert!(apart(&average(&reference), &average(first)) < 1e-5);
        for other in &outcomes[1..] {
            assert_eq!(common::bits(&first.weights), common::bits(&other.weights));
            assert_eq!(other.checkpoint, None, "rank 0 alone writes");
        }
        // One log and one set of checkpoints, as one rank leaves them.
        assert_eq!(checkpoints(folder.path()), checkpoints(whole.path()));
        assert_eq!(log(folder.path()).len(), log(whole.path()).len());
        let (then, now) = (&reference.history[3], &first.history[3]);
        assert_eq!((now.samples, now.lr), (8 * STEPS, then.lr));
        let (then, now) = (then.metrics["ema.mse"], now.metrics["ema.mse"]);
        assert!((then - now).abs() < 1e-5 * then, "{then} {now}");
    }
}

#[test]
fn a_checkpoint_of_one_world_goes_on_in_another() {
    let whole = tempfile::tempdir().unwrap();
    let reference = run(&mut Net::new(1), &config(), whole.path()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stop_after = |(teller, world): (usize, usize), polls: u64, folder: &Path| {
        let folder = folder.to_owned();
        in_time(move || {
            ranks(world, 1, |group: &mut Member| {
                // One rank alone is told to stop.
                let told = group.rank() == teller;
                let asked = Cell::new(0);
                let raised = || {
                    asked.set(asked.get() + 1);
                    told && asked.get() > polls
                };
                Trainer::new(&config(), &folder)
                    .group(group)
                    .interrupt(&raised)
                    .run(&mut Part::of(Net::new(1)), &Silent)
            })
        })
        .unwrap()
    };
    for (who, polls, from, to) in [
        ((1, 2), 8, None, 8),
        ((0, 1), 9, Some(8), 16),
        ((1, 3), 6, Some(16), 21),
    ] {
        for outcome in stop_after(who, polls, folder.path()) {
            assert_eq!(outcome.status, Status::Interrupted);
            assert_eq!((outcome.resumed_from, outcome.steps), (from, to));
        }
    }
    let rest = train_on(2, &config(), folder.path(), |_, _| {}).unwrap();
    assert_eq!(rest[0].resumed_from, Some(21));
    close(whole.path(), folder.path(), 1e-5);
    assert!(apart(&reference.weights, &rest[0].weights) < 1e-5);
}

/// The error of all, and what the log says of it.
fn fails(change: impl Fn(usize, &mut Part) + Send + Sync + 'static) -> (Error, String, u64) {
    let folder = tempfile::tempdir().unwrap();
    let error = train_on(2, &config(), folder.path(), change).unwrap_err();
    let Some(Event::Stop { step, reason }) = log(folder.path()).pop() else {
        panic!("the log does not end with a stop")
    };
    // The state is whole: one rank goes on from it to the end.
    let rest = run(&mut Net::new(1), &config(), folder.path()).unwrap();
    assert_eq!((rest.resumed_from, rest.steps), (Some(step), 4 * STEPS));
    let whole = tempfile::tempdir().unwrap();
    run(&mut Net::new(1), &config(), whole.path()).unwrap();
    close(whole.path(), folder.path(), 1e-5);
    (error, reason, step)
}

#[test]
fn an_error_of_any_rank_ends_all_with_one_message() {
    for failing in [0, 1] {
        let (error, reason, step) = fails(move |rank, part| {
            if rank == failing {
                part.net.quirks.fail_at = Some(25);
            }
        });
        assert_eq!((error.to_string(), step), (reason.clone(), 25));
        let said = "drawing a batch failed at step 25 (epoch 2, step 5 in it, from 0)";
        assert!(reason.contains(said), "{reason}");
        assert_eq!(
            reason.starts_with("rank 1 ended the run: "),
            failing == 1,
            "{reason}"
        );
    }
}

#[test]
fn what_is_not_finite_on_one_rank_stops_all_at_that_step() {
    let (error, reason, step) = fails(|rank, part| {
        if rank == 1 {
            part.net.quirks.nan_at = Some(14);
        }
    });
    assert_eq!((error.to_string(), step), (reason.clone(), 14));
    assert!(reason.contains("the loss is NaN at step 14"), "{reason}");
    let (_, reason, step) = fails(|rank, part| {
        if rank == 1 {
            part.net.quirks.infinite_gradient_at = Some(5);
        }
    });
    assert_eq!(step, 5);
    assert!(reason.contains("the gradient of `fc2.bias`"), "{reason}");
}

#[test]
fn a_panic_of_any_rank_ends_all_and_the_state_is_kept() {
    for panicking in [0, 1] {
        let (error, reason, step) = fails(move |_, part| part.panics = Some((panicking, 17)));
        assert_eq!(step, 17);
        for text in [error.to_string(), reason] {
            assert!(text.contains("a panic: a bug in the task"), "{text}");
        }
    }
}

#[test]
fn a_rank_that_is_gone_ends_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let error = in_time(move || {
        ranks(3, 1, |group: &mut Member| {
            // Rank 2 thinks that an epoch is all.
            let own = TrainConfig {
                epochs: if group.rank() == 2 { 1 } else { 4 },
                ..config()
            };
            let trainer = Trainer::new(&own, &path).group(group);
            trainer.run(&mut Part::of(Net::new(1)), &Silent).map(|_| ())
        })
    })
    .unwrap_err();
    let said = "rank 2 ended the run: it left before the others";
    assert_eq!(error.to_string(), said);
    let last = log(folder.path()).pop();
    assert!(matches!(last, Some(Event::Stop { step: STEPS, reason }) if reason == said));
    let rest = run(&mut Net::new(1), &config(), folder.path()).unwrap();
    assert_eq!(rest.resumed_from, Some(STEPS));
}

#[test]
fn an_error_of_the_disk_ends_the_ranks_that_do_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("checkpoints/step-00000006.safetensors");
    fs::create_dir_all(&taken).unwrap();
    let error = train_on(2, &config(), folder.path(), |_, _| {}).unwrap_err();
    assert!(matches!(error, Error::File(_)), "{error}");
    fs::remove_dir(&taken).unwrap();
    let rest = train_on(2, &config(), folder.path(), |_, _| {}).unwrap();
    assert_eq!(rest[1].resumed_from, Some(3));
}

#[test]
fn ranks_that_do_not_belong_together_are_refused() {
    let refused = |change: fn(usize, &mut Part)| {
        let folder = tempfile::tempdir().unwrap();
        let error = train_on(2, &config(), folder.path(), change).unwrap_err();
        assert!(checkpoints(folder.path()).is_empty());
        error.to_string()
    };
    let other_weights = refused(|rank, part| {
        if rank == 1 {
            let weight = &part.net.vars["fc2.weight"];
            weight.set(&weight.affine(1.0, 1e-3).unwrap()).unwrap();
        }
    });
    assert!(
        other_weights.contains("different weights"),
        "{other_weights}"
    );
    let other_model = refused(|rank, part| {
        if rank == 1 {
            part.net = Net::with(
                1,
                Quirks {
                    unused: true,
                    ..Quirks::default()
                },
            );
        }
    });
    assert!(other_model.contains("different weights"), "{other_model}");

    // A task that does not know how it is shared out.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let error = in_time(move || {
        ranks(2, 1, |group: &mut Member| {
            Trainer::new(&config(), &path)
                .group(group)
                .run(&mut Net::new(1), &Silent)
                .map(|_| ())
        })
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("2 ranks") && error.contains("train it with one"),
        "{error}"
    );
}

#[test]
fn ranks_out_of_step_are_an_error_and_no_wait() {
    let error = in_time(|| {
        ranks(2, 1, |group: &mut Member| {
            let count = 3 + group.rank();
            let own = Tensor::ones(count, candle_core::DType::F32, &Device::Cpu)
                .map_err(|e| Error::Task(e.to_string()))?;
            group.sum(&own).map(|_| ())
        })
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("3 numbers in f32, another 4 numbers"),
        "{error}"
    );
}

/// A group of one that remembers what it is told.
#[derive(Default)]
struct Told(Vec<String>);

impl Group for Told {
    fn rank(&self) -> usize {
        0
    }

    fn world(&self) -> usize {
        1
    }

    fn sum(&mut self, flat: &Tensor) -> Result<Tensor> {
        Ok(flat.clone())
    }

    fn any(&mut self, flag: bool) -> Result<bool> {
        Ok(flag)
    }

    fn fail(&mut self, why: &str) {
        self.0.push(why.to_owned());
    }
}

#[test]
fn a_group_is_told_why_a_rank_stops() {
    for (fail_at, times) in [(Some(3), 1), (None, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let quirks = Quirks {
            fail_at,
            ..Quirks::default()
        };
        let mut group = Told::default();
        let ended = Trainer::new(&config(), folder.path())
            .group(&mut group)
            .run(&mut Net::with(1, quirks), &Silent);
        assert_eq!(ended.is_err(), fail_at.is_some());
        assert_eq!(group.0.len(), times);
        if let Err(error) = ended {
            assert_eq!(group.0, [error.to_string()]);
        }
    }
}
