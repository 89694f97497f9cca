//! The trait can be implemented by others, and used behind `dyn` from several threads.

use std::sync::{Arc, Mutex};

use spectralkd_base::progress::{Progress, Silent, Stage};

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

struct Recording(Recorder, String);

impl Recorder {
    fn say(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Progress for Recorder {
    fn stage(&self, name: &str, total: u64, unit: &'static str) -> Box<dyn Stage> {
        self.say(format!("{name}: {total} {unit}"));
        Box::new(Recording(self.clone(), name.to_owned()))
    }

    fn note(&self, text: &str) {
        self.say(text.to_owned());
    }
}

impl Stage for Recording {
    fn advance(&mut self, by: u64) {
        self.0.say(format!("{} +{by}", self.1));
    }

    fn message(&mut self, text: &str) {
        self.0.say(format!("{} ({text})", self.1));
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.0.say(format!("{} ends", self.1));
    }
}

fn work(progress: &dyn Progress) {
    progress.note("hello");
    let mut stage = progress.stage("train", 2, "steps");
    stage.advance(2);
    stage.message("loss 0.5");
}

#[test]
fn a_stage_ends_when_it_is_dropped() {
    let recorder = Recorder::default();
    work(&recorder);
    let said = recorder.0.lock().unwrap();
    assert_eq!(
        *said,
        [
            "hello",
            "train: 2 steps",
            "train +2",
            "train (loss 0.5)",
            "train ends"
        ]
    );
}

#[test]
fn silence_can_be_shared_between_threads() {
    let silent: &dyn Progress = &Silent;
    std::thread::scope(|scope| {
        scope.spawn(|| work(silent));
        scope.spawn(|| work(silent));
    });
}
