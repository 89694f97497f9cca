//! An experiment that is stopped again and again comes to the same bits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use spectralkd_base::progress::{Progress, Stage};
use spectralkd_experiment::reproduce::{Options, Status};

use crate::disk;
use crate::four_variants::{EXPERIMENT, VARIANTS};
use crate::schema::Written;
use crate::workplace::{Workplace, run_folder};

/// Raises the flag once some training steps were made.
#[derive(Clone)]
struct Stopper {
    left: Arc<AtomicU64>,
    interrupt: Arc<AtomicBool>,
}

impl Stopper {
    fn after(steps: u64) -> Self {
        Self {
            left: Arc::new(AtomicU64::new(steps)),
            interrupt: Arc::default(),
        }
    }
}

impl Progress for Stopper {
    fn stage(&self, _name: &str, _total: u64, unit: &'static str) -> Box<dyn Stage> {
        let counted = (unit == "steps").then(|| self.clone());
        Box::new(Counted(counted))
    }

    fn note(&self, _text: &str) {}
}

struct Counted(Option<Stopper>);

impl Stage for Counted {
    fn advance(&mut self, by: u64) {
        let Some(stopper) = &self.0 else { return };
        if stopper.left.fetch_sub(by, Ordering::Relaxed) == by {
            stopper.interrupt.store(true, Ordering::Relaxed);
        }
    }

    fn skip(&mut self, _by: u64) {}

    fn message(&mut self, _text: &str) {}
}

#[test]
fn runs_that_are_stopped_every_few_steps_come_to_the_same_bits() {
    let workplace = Workplace::new();
    let experiment = Written {
        seeds: &[1],
        ..EXPERIMENT
    };
    let (_, whole) = workplace.run("whole", &experiment.toml());

    // One run at a time on one thread, seven steps to a call: it stops within epochs and between runs.
    let options = Options {
        out: workplace.path("stopped.out"),
        threads: 1,
        ..workplace.options("whole")
    };
    let mut calls = 0;
    loop {
        let stopper = Stopper::after(7);
        let summary = workplace.try_run("whole", &options, &stopper, &stopper.interrupt);
        calls += 1;
        match summary.unwrap().status {
            Status::Interrupted { missing } => assert!(missing > 0 && calls < 12),
            status => {
                assert_eq!(status, Status::Done);
                break;
            }
        }
    }
    // A floor of two steps and four students of fifteen.
    assert_eq!(calls, 9);
    for name in ["floor"].into_iter().chain(VARIANTS.map(|(name, _)| name)) {
        same(
            name,
            &run_folder(&whole, name, 1),
            &run_folder(&options.out, name, 1),
        );
    }
}

/// Weights and results of two runs are the same, but for the clock.
fn same(name: &str, whole: &Path, stopped: &Path) {
    let resumed = disk::events(stopped, "resume").len();
    assert!(name == "floor" || resumed > 0, "{name} was not stopped");
    for file in ["weights.safetensors", "spectra.csv"] {
        let read = |run: &Path| std::fs::read(run.join(file)).ok();
        assert!(read(whole) == read(stopped), "{name} {file}");
    }
    let result = |run: &Path| disk::timeless(disk::json(&run.join("result.json")));
    assert_eq!(result(whole), result(stopped), "{name}");
    for kind in ["step", "epoch"] {
        let records = |run: &Path| -> Vec<_> {
            disk::events(run, kind)
                .into_iter()
                .map(disk::timeless)
                .collect()
        };
        assert_eq!(records(whole), records(stopped), "{name}");
    }
}
