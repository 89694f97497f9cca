//! How often the host reads while it trains, and that a step that is read late is judged as one that is read at once.

#[path = "common/mod.rs"]
mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use common::{Net, Quirks, STEPS, bits, checkpoints, config, log, run};
use spectralkd_base::progress::Silent;
use spectralkd_trainer::events::Event;
use spectralkd_trainer::{
    Cursor, Error, Metrics, Outcome, Parts, Reads, Result, Step, Task, TaskError, TrainConfig,
    Trainer,
};

/// A task that notes how often the host has read whenever a batch is drawn.
struct Watched {
    net: Net,
    reads: Reads,
    seen: RefCell<Vec<u64>>,
}

impl Task for Watched {
    type Batch = Tensor;

    fn steps_per_epoch(&self) -> u64 {
        self.net.steps_per_epoch()
    }

    fn start(&self) -> Cursor {
        self.net.start()
    }

    fn next(&mut self, cursor: &Cursor) -> Result<(Tensor, Cursor), TaskError> {
        self.seen.borrow_mut().push(self.reads.count());
        self.net.next(cursor)
    }

    fn loss(&mut self, batch: &Tensor, step: Step) -> Result<Parts, TaskError> {
        self.net.loss(batch, step)
    }

    fn trainable(&self) -> &BTreeMap<String, Var> {
        self.net.trainable()
    }

    fn evaluate(&mut self, epoch: u64) -> Result<Metrics, TaskError> {
        self.net.evaluate(epoch)
    }
}

/// Without checkpoints within an epoch, which read for themselves, and without the audit, which reads all gradients.
fn plain() -> TrainConfig {
    TrainConfig {
        checkpoint_every_steps: None,
        audit: false,
        ..config()
    }
}

/// How often the host reads from each drawing of a batch to the next.
fn reads_of_steps(config: &TrainConfig, every: Option<u64>) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let reads = Reads::default();
    let mut task = Watched {
        net: Net::new(1),
        reads: reads.clone(),
        seen: RefCell::default(),
    };
    let mut trainer = Trainer::new(config, folder.path()).reads(&reads);
    if let Some(every) = every {
        trainer = trainer.read_every(every);
    }
    trainer.run(&mut task, &Silent).unwrap();
    let mut seen = task.seen.into_inner();
    seen.push(reads.count());
    seen.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn no_step_reads_twice() {
    assert_eq!(reads_of_steps(&plain(), None), [1; 4 * STEPS as usize]);
    // The fourth and the eighth step of each epoch, then its last: an evaluation needs to know where it stands.
    let epoch = [0, 0, 0, 1, 0, 0, 0, 1, 0, 1];
    let lagging = reads_of_steps(&plain(), Some(4));
    assert_eq!(lagging[..10], epoch);
    assert_eq!(lagging.iter().sum::<u64>(), 12);
    // A checkpoint holds what was read.
    let saving = TrainConfig {
        checkpoint_every_steps: Some(3),
        ..plain()
    };
    let saved = reads_of_steps(&saving, Some(100));
    assert_eq!(saved[..10], [0, 0, 1, 0, 0, 1, 0, 0, 1, 1]);
}

fn late(net: &mut Net, config: &TrainConfig, folder: &Path, every: u64) -> Result<Outcome> {
    let trainer = Trainer::new(config, folder).read_every(every);
    trainer.run(net, &Silent)
}

/// The log without what clocks say.
fn told(folder: &Path) -> Vec<Event> {
    let mut events = log(folder);
    for event in &mut events {
        match event {
            Event::Step(record) => record.seconds = 0.0,
            Event::Epoch(record) => (record.seconds, record.samples_per_second) = (0.0, 0.0),
            _ => {}
        }
    }
    events
}

#[test]
fn reading_late_changes_no_number() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at_once = run(&mut Net::new(1), &config(), one.path()).unwrap();
    let late = late(&mut Net::new(1), &config(), other.path(), 4).unwrap();
    assert_eq!(bits(&at_once.weights), bits(&late.weights));
    let average = |outcome: &Outcome| bits(outcome.ema.as_ref().unwrap());
    assert_eq!(average(&at_once), average(&late));
    assert_eq!(told(one.path()), told(other.path()));
    assert_eq!(checkpoints(one.path()), checkpoints(other.path()));
    let newest = "checkpoints/step-00000040.safetensors";
    let read = |folder: &Path| std::fs::read(folder.join(newest)).unwrap();
    assert!(read(one.path()) == read(other.path()));
}

#[test]
fn a_bad_step_that_is_read_late_is_named_and_the_state_before_it_is_kept() {
    let reference = tempfile::tempdir().unwrap();
    let reference = run(&mut Net::new(1), &plain(), reference.path()).unwrap();
    let nan = |step| Quirks {
        nan_at: Some(step),
        ..Quirks::default()
    };
    let infinite = |step| Quirks {
        infinite_gradient_at: Some(step),
        ..Quirks::default()
    };
    // Read at the step itself, far behind it, and at the end of the epoch; the first step of an epoch and its last.
    for (quirks, bad, every, what) in [
        (nan(14), 14, 5, "the loss is NaN at step 14"),
        (nan(12), 12, 7, "the loss is NaN at step 12"),
        (nan(13), 13, 1000, "the loss is NaN at step 13"),
        (nan(20), 20, 1000, "the loss is NaN at step 20"),
        (infinite(19), 19, 6, "the gradient of `fc2.bias` is"),
        (infinite(11), 11, 6, "the gradient of `fc2.bias` is"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut net = Net::with(1, quirks);
        let error = late(&mut net, &plain(), folder.path(), every).unwrap_err();
        let text = error.to_string();
        let place = format!("step-{bad:08}.json");
        assert!(text.contains(what) && text.contains(&place), "{text}");
        let step = log(folder.path())
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::Step(record) => Some(record.step),
                _ => None,
            });
        assert_eq!(step, Some(bad), "the last step that was made");
        let rest = late(&mut Net::new(1), &plain(), folder.path(), every).unwrap();
        assert_eq!(rest.resumed_from, Some(bad));
        assert_eq!(bits(&rest.weights), bits(&reference.weights), "{text}");
        assert_eq!(
            bits(rest.ema.as_ref().unwrap()),
            bits(reference.ema.as_ref().unwrap())
        );
    }
}

#[test]
fn whatever_stops_a_run_what_waits_is_read_first() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Cell::new(0);
    let raised = || {
        asked.set(asked.get() + 1);
        asked.get() > 6
    };
    let stopped = Trainer::new(&plain(), folder.path())
        .read_every(1000)
        .interrupt(&raised)
        .run(&mut Net::new(1), &Silent)
        .unwrap();
    assert_eq!(stopped.steps, 6);
    let failing = |nan_at| {
        Net::with(
            1,
            Quirks {
                nan_at,
                fail_at: Some(17),
                ..Quirks::default()
            },
        )
    };
    let error = late(&mut failing(None), &plain(), folder.path(), 1000).unwrap_err();
    assert!(matches!(error, Error::InTask { .. }), "{error}");
    // What went wrong first is what is told.
    let second = tempfile::tempdir().unwrap();
    let error = late(&mut failing(Some(15)), &plain(), second.path(), 1000).unwrap_err();
    assert!(matches!(error, Error::NonFinite(_)), "{error}");
    for (folder, step) in [(folder, 17), (second, 15)] {
        let rest = run(&mut Net::new(1), &plain(), folder.path()).unwrap();
        assert_eq!(rest.resumed_from, Some(step));
    }
}

/// A line through the origin in bf16, whose updates are composed on every device, as a card's are.
struct Line {
    vars: BTreeMap<String, Var>,
    nan_at: Option<u64>,
}

impl Line {
    fn new(nan_at: Option<u64>) -> Self {
        let start = Tensor::new(&[0.5f32, -1.0, 2.0], &Device::Cpu).unwrap();
        let slope = Var::from_tensor(&start.to_dtype(DType::BF16).unwrap()).unwrap();
        Self {
            vars: BTreeMap::from([("slope".to_string(), slope)]),
            nan_at,
        }
    }
}

impl Task for Line {
    type Batch = f64;

    fn steps_per_epoch(&self) -> u64 {
        12
    }

    fn start(&self) -> Cursor {
        Cursor(0.into())
    }

    fn next(&mut self, cursor: &Cursor) -> Result<(f64, Cursor), TaskError> {
        let at = cursor.0.as_u64().ok_or("no number")?;
        Ok((0.5 + (at % 5) as f64, Cursor((at + 1).into())))
    }

    fn loss(&mut self, x: &f64, step: Step) -> Result<Parts, TaskError> {
        let factor = match self.nan_at == Some(step.global) {
            true => f64::NAN,
            false => 1.0,
        };
        let error = ((self.vars["slope"].as_tensor() * *x)? - 1.0)?;
        let total = (error.sqr()?.mean_all()? * factor)?;
        let parts = Vec::new();
        Ok(Parts {
            total,
            parts,
            samples: 1,
        })
    }

    fn trainable(&self) -> &BTreeMap<String, Var> {
        &self.vars
    }

    fn evaluate(&mut self, _: u64) -> Result<Metrics, TaskError> {
        Ok(Metrics::new())
    }
}

#[test]
fn a_composed_update_is_held_back_as_well() {
    let config = TrainConfig {
        lr: 0.1,
        epochs: 2,
        warmup_epochs: 0,
        ..plain()
    };
    let train = |nan_at, folder: &Path| {
        let trainer = Trainer::new(&config, folder).read_every(8);
        trainer.run(&mut Line::new(nan_at), &Silent)
    };
    let whole = tempfile::tempdir().unwrap();
    let reference = train(None, whole.path()).unwrap();
    for bad in [3, 7, 17] {
        let folder = tempfile::tempdir().unwrap();
        let error = train(Some(bad), folder.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("the loss is NaN at step {bad} ")),
            "{error}"
        );
        let rest = train(None, folder.path()).unwrap();
        assert_eq!(rest.resumed_from, Some(bad));
        let bits = |tensors: &BTreeMap<String, Tensor>| {
            spectralkd_testing::bits(&tensors["slope"].to_dtype(DType::F32).unwrap())
        };
        assert_eq!(bits(&rest.weights), bits(&reference.weights));
        assert_eq!(
            bits(&rest.ema.unwrap()),
            bits(reference.ema.as_ref().unwrap())
        );
        let file = "checkpoints/step-00000024.safetensors";
        let saved = [&whole, &folder].map(|run| std::fs::read(run.path().join(file)).unwrap());
        assert!(
            saved[0] == saved[1],
            "the optimiser's state and its counts too"
        );
    }
}
