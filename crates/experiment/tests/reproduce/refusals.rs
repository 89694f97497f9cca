//! What a run folder refuses, and what a second call leaves alone.

use std::sync::atomic::AtomicBool;

use spectralkd_base::progress::Silent;
use spectralkd_experiment::reproduce::{Options, Status};

use crate::disk;
use crate::four_variants::EXPERIMENT;
use crate::schema::{Loss, Pairs, Written};
use crate::workplace::{WEIGHTS, Workplace};

const ONE: Written = Written {
    seeds: &[0],
    variants: &[("spectral", Loss::Spectral)],
    compared: false,
    ..EXPERIMENT
};

#[test]
fn a_second_call_finds_everything_done() {
    let workplace = Workplace::new();
    let (_, out) = workplace.run("one", &ONE.toml());
    let files = [
        "report.html",
        "manifest.json",
        "spectral/seed-0/events.jsonl",
    ];
    let before = files.map(|name| disk::text(&out.join(name)));
    let (summary, _) = workplace.run("one", &ONE.toml());
    assert_eq!(summary.status, Status::AlreadyDone);
    assert_eq!(files.map(|name| disk::text(&out.join(name))), before);

    // Another seed goes into the same folder, and makes another call in the manifest.
    let more = Written {
        seeds: &[0, 1],
        ..ONE
    };
    let (summary, _) = workplace.run("one", &more.toml());
    assert_eq!(summary.status, Status::Done);
    assert_eq!(disk::text(&out.join(files[2])), before[2]);
    let manifest = disk::json(&out.join("manifest.json"));
    assert_eq!(manifest["invocations"].as_array().unwrap().len(), 2);
}

#[test]
fn what_belongs_to_other_runs_is_refused() {
    let workplace = Workplace::new();
    workplace.run("one", &ONE.toml());
    let options = workplace.options("one");

    let other = Written {
        pairs: Pairs::Listed(&[(0, 1)]),
        ..ONE
    };
    workplace.write("one", &other.toml());
    let error = workplace.error("one", &options);
    assert!(error.contains("another configuration"), "{error}");

    // Other weights at the same path: first not those of their manifest, then without one.
    workplace.write(
        "one",
        &Written {
            seeds: &[0, 1],
            ..ONE
        }
        .toml(),
    );
    let weights = workplace.path(WEIGHTS);
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let error = workplace.error("one", &options);
    assert!(error.contains("their manifest says"), "{error}");
    std::fs::remove_file(weights.with_extension("json")).unwrap();
    let error = workplace.error("one", &options);
    assert!(error.contains("had another teacher"), "{error}");

    let fresh = Options {
        fresh: true,
        ..options
    };
    let summary = workplace.try_run("one", &fresh, &Silent, &AtomicBool::new(false));
    assert_eq!(summary.unwrap().status, Status::Done);
    assert!(workplace.path("one.out.1/report.html").is_file());
}
