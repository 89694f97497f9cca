//! A run that is killed goes on to the same bits. The run is a child process (this test's own
//! executable, told to run the test `child`), so that it dies as a real one does: at any
//! instruction, with SIGKILL.
#![cfg(unix)]

#[path = "common/mod.rs"]
mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Net, Quirks, STEPS, bits, checkpoints, config};
use spectralkd_base::progress::Silent;
use spectralkd_trainer::events::{self, EpochRecord, Event};
use spectralkd_trainer::{Outcome, Status, train};

const FOLDER: &str = "SPECTRALKD_TEST_FOLDER";
const PAUSE: &str = "SPECTRALKD_TEST_PAUSE_MS";

#[test]
#[ignore = "the child process of the other tests here"]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let pause = std::env::var(PAUSE).unwrap().parse().unwrap();
    let quirks = Quirks {
        pause: Duration::from_millis(pause),
        ..Quirks::default()
    };
    train(
        &mut Net::with(3, quirks),
        &config(),
        Path::new(&folder),
        &Silent,
    )
    .unwrap();
}

fn spawn(folder: &Path, threads: usize, pause_ms: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(PAUSE, pause_ms.to_string())
        .env("RAYON_NUM_THREADS", threads.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the log tells of step `step`, then kills the child.
fn kill_after(mut child: Child, folder: &Path, step: u64) {
    let log = folder.join(events::FILE);
    let patience = Instant::now();
    loop {
        let seen = events::read(&log).unwrap_or_default();
        if seen
            .iter()
            .any(|e| matches!(e, Event::Step(r) if r.step >= step))
        {
            break;
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "it was over before step {step}"
        );
        assert!(
            patience.elapsed() < Duration::from_secs(120),
            "step {step} never came"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
}

/// The history without what clocks say.
fn timeless(history: &[EpochRecord]) -> Vec<EpochRecord> {
    let mut history = history.to_vec();
    for record in &mut history {
        (record.seconds, record.samples_per_second) = (0.0, 0.0);
    }
    history
}

/// The steps and epochs of a log, in order, without what clocks say.
fn told(folder: &Path) -> Vec<Event> {
    let mut log = events::read(&folder.join(events::FILE)).unwrap();
    log.retain(|e| !matches!(e, Event::Resume { .. } | Event::Stop { .. }));
    for event in &mut log {
        match event {
            Event::Step(record) => record.seconds = 0.0,
            Event::Epoch(record) => {
                (record.seconds, record.samples_per_second) = (0.0, 0.0);
            }
            _ => {}
        }
    }
    log
}

fn compare(one: &Outcome, other: &Outcome) {
    assert_eq!(one.status, Status::Finished);
    assert_eq!(bits(&one.weights), bits(&other.weights));
    assert_eq!(
        bits(one.ema.as_ref().unwrap()),
        bits(other.ema.as_ref().unwrap())
    );
    assert_eq!(timeless(&one.history), timeless(&other.history));
}

#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let home = tempfile::tempdir().unwrap();
    let (whole, killed) = (home.path().join("whole"), home.path().join("killed"));

    let reference = train(&mut Net::new(3), &config(), &whole, &Silent).unwrap();
    assert!(reference.resumed_from.is_none());

    // In the first epoch before any checkpoint, then in the middle of three epochs, two steps
    // past a checkpoint at most; with other numbers of threads each time.
    for (threads, step) in [(2, 2), (1, 5), (3, STEPS + 4), (2, 2 * STEPS + 8)] {
        kill_after(spawn(&killed, threads, 20), &killed, step);
    }
    let log = events::read(&killed.join(events::FILE)).unwrap();
    let last = log.iter().rev().find_map(|e| match e {
        Event::Step(record) => Some(record.step),
        _ => None,
    });
    assert!(
        last.unwrap() % STEPS != 0,
        "it was to be killed within an epoch, not at {last:?}"
    );
    assert!(
        checkpoints(&killed)
            .iter()
            .any(|name| name.ends_with(".json"))
    );

    assert!(spawn(&killed, 2, 0).wait().unwrap().success());
    let mut net = Net::new(3);
    let resumed = train(&mut net, &config(), &killed, &Silent).unwrap();
    assert_eq!(
        resumed.resumed_from,
        Some(4 * STEPS),
        "the run was complete"
    );
    assert!(net.evaluated.is_empty());
    compare(&resumed, &reference);
    assert_eq!(bits(&resumed.weights), bits(&weights_of(&net)));

    // The log tells every step once, and what was made twice lies aside.
    assert_eq!(told(&killed), told(&whole));
    let steps = told(&killed)
        .iter()
        .filter(|e| matches!(e, Event::Step(_)))
        .count();
    assert_eq!(steps as u64, 4 * STEPS);
    let resumes = events::read(&killed.join(events::FILE))
        .unwrap()
        .iter()
        .filter(|e| matches!(e, Event::Resume { .. }))
        .count();
    assert!((1..=4).contains(&resumes), "{resumes}");
    assert!(killed.join("events.discarded-1.jsonl").exists());

    // The files are the same too: nothing in them depends on when or how the run was made.
    let newest = format!("step-{:08}.safetensors", 4 * STEPS);
    let read = |run: &Path| std::fs::read(run.join("checkpoints").join(&newest)).unwrap();
    assert!(read(&whole) == read(&killed));
}

/// The weights that the task's variables hold.
fn weights_of(net: &Net) -> std::collections::BTreeMap<String, candle_core::Tensor> {
    net.vars
        .iter()
        .map(|(name, var)| (name.clone(), var.as_detached_tensor()))
        .collect()
}
