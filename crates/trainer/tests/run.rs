//! What a run does and keeps: its books, its interrupts, the seam of the gradients.

#[path = "common/mod.rs"]
mod common;

use std::path::Path;

use candle_core::Tensor;
use common::{Net, STEPS, bits, checkpoints, config, interrupted, log, run};
use spectralkd_base::progress::Silent;
use spectralkd_testing::scalar;
use spectralkd_trainer::events::Event;
use spectralkd_trainer::{GradientSync, Gradients, Status, TaskError, TrainConfig, Trainer};

#[test]
fn it_trains_and_keeps_its_books() {
    let folder = tempfile::tempdir().unwrap();
    let mut net = Net::new(1);
    let start = bits(
        &net.vars
            .iter()
            .map(|(n, v)| (n.clone(), v.as_detached_tensor().copy().unwrap()))
            .collect(),
    );
    let outcome = run(&mut net, &config(), folder.path()).unwrap();

    assert_eq!(
        (outcome.status, outcome.steps),
        (Status::Finished, 4 * STEPS)
    );
    // Each epoch's weights, and their average.
    assert_eq!(net.evaluated, [0, 0, 1, 1, 2, 2, 3, 3]);
    let history = &outcome.history;
    let measured = &history[3].metrics;
    assert!(measured["mse"] != measured["ema.mse"] && measured.len() == 2);
    assert_eq!(
        history.iter().map(|r| r.epoch).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert!(history[3].loss < history[0].loss);
    assert!(
        (history[3].loss - history[3].parts["mse"] - 0.1 * history[3].parts["kd"]).abs() < 1e-5
    );
    assert_eq!(history[3].samples, 8 * STEPS);
    assert!(
        start
            .iter()
            .zip(bits(&outcome.weights))
            .all(|(a, b)| a.2 != b.2)
    );
    assert_ne!(bits(outcome.ema.as_ref().unwrap()), bits(&outcome.weights));

    // The epoch-lagged schedule: two epochs at the warm-up rate.
    assert_eq!(
        (history[0].lr, history[1].lr, history[2].lr),
        (1e-6, 1e-6, history[2].lr)
    );
    assert!(history[2].lr > 1e-3);

    // Checkpoints at steps 30 - 3 k went; the last two stay. No temporary files.
    assert_eq!(
        checkpoints(folder.path()),
        [
            "step-00000039.json",
            "step-00000039.safetensors",
            "step-00000040.json",
            "step-00000040.safetensors"
        ]
    );
    let events = log(folder.path());
    assert!(matches!(
        events[0],
        Event::Start {
            parameters: 129,
            steps_per_epoch: STEPS,
            ..
        }
    ));
    assert_eq!(events.last(), Some(&Event::Done { step: 4 * STEPS }));
    let recorded: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            Event::Epoch(record) => Some(record.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(&recorded, history);
}

#[test]
fn events_are_thinned() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        log_every_steps: 15,
        ..config()
    };
    run(&mut Net::new(1), &config, folder.path()).unwrap();
    let steps: Vec<u64> = log(folder.path())
        .iter()
        .filter_map(|e| match e {
            Event::Step(record) => Some(record.step),
            _ => None,
        })
        .collect();
    assert_eq!(steps, [1, 15, 30]);
}

#[test]
fn an_interrupt_saves_and_the_run_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let (whole, parts) = (home.path().join("whole"), home.path().join("parts"));
    let reference = run(&mut Net::new(5), &config(), &whole).unwrap();

    // At once; within an epoch, at a step that has its checkpoint already; before an evaluation (polls: 7 steps, then the evaluation's).
    let none = interrupted(&mut Net::new(5), &config(), &parts, 0).unwrap();
    assert_eq!(
        (none.status, none.steps, none.checkpoint),
        (Status::Interrupted, 0, None)
    );
    let some = interrupted(&mut Net::new(5), &config(), &parts, 3).unwrap();
    assert_eq!((some.status, some.steps), (Status::Interrupted, 3));
    assert!(some.checkpoint.unwrap().ends_with("step-00000003.json"));
    let mut net = Net::new(5);
    let full = interrupted(&mut net, &config(), &parts, 7).unwrap();
    assert_eq!(
        (full.steps, full.resumed_from, full.history.len()),
        (10, Some(3), 0)
    );
    assert!(net.evaluated.is_empty());

    let mut net = Net::new(5);
    let rest = run(&mut net, &config(), &parts).unwrap();
    assert_eq!(
        (rest.status, rest.resumed_from),
        (Status::Finished, Some(10))
    );
    assert_eq!(net.evaluated, [0, 0, 1, 1, 2, 2, 3, 3]);
    assert_eq!(bits(&rest.weights), bits(&reference.weights));

    // Stops and resumes stand in the log, in their places.
    let words: Vec<String> = log(&parts)
        .iter()
        .filter_map(|e| match e {
            Event::Stop { step, reason } => Some(format!("{reason} {step}")),
            Event::Resume { step, .. } => Some(format!("resumed {step}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        words,
        ["interrupted 3", "resumed 3", "interrupted 10", "resumed 10"]
    );
}

/// Doubles every gradient, as two processes that forgot to average would.
struct Double {
    calls: u64,
}

impl GradientSync for Double {
    fn sync(&mut self, gradients: &mut Gradients) -> Result<(), TaskError> {
        self.calls += 1;
        let names: Vec<&str> = gradients.keys().map(String::as_str).collect();
        assert_eq!(names, ["fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight"]);
        for gradient in gradients.values_mut() {
            *gradient = (&*gradient * 2.0)?;
        }
        Ok(())
    }
}

#[test]
fn all_gradients_pass_the_seam_and_clipping_comes_after() {
    let (plain, doubled) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = TrainConfig {
        epochs: 1,
        warmup_epochs: 0,
        clip_grad: Some(0.25),
        ..config()
    };
    run(&mut Net::new(1), &config, plain.path()).unwrap();
    let mut sync = Double { calls: 0 };
    Trainer::new(&config, doubled.path())
        .sync(&mut sync)
        .run(&mut Net::new(1), &Silent)
        .unwrap();
    assert_eq!(sync.calls, STEPS);
    let norm = |folder: &Path| match &log(folder)[1] {
        Event::Step(record) => record.grad_norm,
        other => panic!("{other:?}"),
    };
    let (one, two) = (norm(plain.path()), norm(doubled.path()));
    assert!(one > 0.25, "the limit is reached: {one}");
    assert!((two - 2.0 * one).abs() < 1e-9 * one, "{one} {two}");
}

#[test]
fn the_norm_that_clips_is_that_of_the_whole_set() {
    // With clipping far below the norm and eps far above the gradients, the first AdamW step is
    // nearly linear in the gradient: halving the limit halves the step.
    let moved = |limit: f64| {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainConfig {
            epochs: 1,
            warmup_epochs: 0,
            weight_decay: 0.0,
            eps: 1e3,
            clip_grad: Some(limit),
            ..config()
        };
        let mut net = Net::new(1);
        let before = net.vars["fc2.weight"].as_detached_tensor().copy().unwrap();
        interrupted(&mut net, &config, folder.path(), 1).unwrap();
        let after = net.vars["fc2.weight"].as_tensor().clone();
        let change: Tensor = (after - before).unwrap().sqr().unwrap().sum_all().unwrap();
        scalar(&change).sqrt()
    };
    let (full, half) = (moved(0.2), moved(0.1));
    assert!(
        full > 0.0 && (full / half - 2.0).abs() < 0.05,
        "{full} {half}"
    );
}
