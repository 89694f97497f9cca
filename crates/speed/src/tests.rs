//! Whole measurements of tiny models.

use std::sync::atomic::AtomicBool;

use candle_core::Device;
use spectralkd_losses::Loss;
use spectralkd_losses::kinds::CrossEntropy;
use spectralkd_runtime::{self as runtime, Runtime};
use spectralkd_trainer::{Task, events};

use crate::case::Form;
use crate::error::Error;
use crate::pairs::pairs;
use crate::table::{line, table};
use crate::timed_task::Timed;
use crate::tiny::{cait, deit, swin};
use crate::{Case, Length, Named, Precision, Record, drawn, forward, measure, tiny, training};

const CPU: &Device = &Device::Cpu;
const LENGTH: Length = Length { warmup: 1, runs: 3 };

fn step(student: Named, teacher: Named) -> Case {
    Case::Step {
        student,
        teacher,
        batch: 8,
        precision: Precision::F32,
    }
}

fn problem(case: &Case, length: Length) -> String {
    case.check(length).unwrap_err().to_string()
}

#[test]
fn steps_are_those_of_the_trainer() {
    let losses = [Loss::new(CrossEntropy::default(), 1.0)];
    let task = training::task(&deit(), None, &losses, 8, CPU).unwrap();
    let vars = task.trainable().clone();
    let mut task = Timed::new(task, LENGTH, CPU);
    let (folder, go) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let timing = training::run_in(folder.path(), &mut task, &go).unwrap();
    assert_eq!(timing.seconds.len(), 3);
    assert!(timing.seconds.iter().all(|&seconds| seconds > 0.0));

    // All four steps were made and logged, with the audit before the first, and the loss on the one batch fell.
    let log = events::read(&folder.path().join("events.jsonl")).unwrap();
    let losses: Vec<f64> = log
        .iter()
        .filter_map(|event| match event {
            events::Event::Step(record) => Some(record.loss),
            _ => None,
        })
        .collect();
    assert_eq!(losses.len(), 4);
    assert!(losses[3] < losses[0], "{losses:?}");

    // The same weights as drawn, but for what the optimiser did to them.
    let drawn = drawn::student(&deit().config, CPU).unwrap().trainable();
    for (name, before) in &drawn {
        let change = (vars[name].as_tensor() - before.as_tensor()).unwrap();
        let change: f32 = change
            .abs()
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar()
            .unwrap();
        assert!(change > 0.0, "{name} did not move");
    }
}

#[test]
fn every_family_steps() {
    let go = AtomicBool::new(false);
    for (student, teacher) in [
        (deit(), cait()),
        (deit(), deit()),
        (swin(), swin()),
        (cait(), cait()),
    ] {
        let pair = (&student, &teacher);
        let timing = training::step(pair, Precision::F32, 8, LENGTH, CPU, &go);
        let timing =
            timing.unwrap_or_else(|e| panic!("{} from {}: {e}", student.name, teacher.name));
        assert_eq!(timing.seconds.len(), 3);
    }
    // The published drop path, which would drop a branch for a whole batch of one, is off.
    let timing = training::train(&swin(), 1, LENGTH, CPU, &go).unwrap();
    assert_eq!(timing.seconds.len(), 3);
    let timing = forward::infer(&swin(), 2, Length { warmup: 0, runs: 2 }, CPU, &go).unwrap();
    assert_eq!(timing.seconds.len(), 2);
}

#[test]
fn a_stop_is_an_error() {
    let stop = AtomicBool::new(true);
    let results = [
        training::step((&deit(), &cait()), Precision::F32, 8, LENGTH, CPU, &stop),
        training::train(&deit(), 8, LENGTH, CPU, &stop),
        forward::infer(&deit(), 8, LENGTH, CPU, &stop),
        forward::loss([1, 2, 3, 4], Form::Fft, LENGTH, CPU, &stop),
    ];
    for result in results {
        assert!(matches!(result, Err(Error::Interrupted)), "{result:?}");
    }
}

#[test]
fn pairs_are_the_papers() {
    let find = |name| Named::find(name).unwrap();
    let (deit, cait) = (find("deit_tiny_patch16_224"), find("cait_s24_224"));
    let of_deit = [
        (0, 0),
        (1, 1),
        (6, 18),
        (7, 19),
        (8, 20),
        (9, 21),
        (10, 22),
        (11, 23),
    ];
    assert_eq!(pairs(&deit, &cait).unwrap(), of_deit);
    let swin = find("swin_tiny_patch4_window7_224");
    let small = find("swin_small_patch4_window7_224");
    assert_eq!(
        pairs(&swin, &small).unwrap(),
        [(0, 0), (1, 1), (2, 2), (3, 3)]
    );
    assert_eq!(
        pairs(&tiny::deit(), &tiny::cait()).unwrap(),
        [(0, 0), (1, 8), (2, 9)]
    );
}

#[test]
fn models_that_do_not_fit_are_refused() {
    let find = |name| Named::find(name).unwrap();
    let refused = |student, teacher, parts: &[&str]| {
        let error = problem(&step(find(student), find(teacher)), LENGTH);
        for part in [student, teacher, "What fits"].iter().chain(parts) {
            assert!(error.contains(part), "no `{part}` in: {error}");
        }
    };
    let swin = "swin_small_patch4_window7_224";
    refused("deit_tiny_patch16_224", swin, &["14x14", "56x56"]);
    refused(
        "swin_tiny_patch4_window7_224",
        "cait_s24_224",
        &["56x56", "14x14"],
    );
    refused(
        "deit_base_patch16_384",
        "cait_s24_224",
        &["384x384", "224x224"],
    );
    refused(
        "deit_base_patch16_224",
        "cait_s24_224",
        &["768 channels", "384"],
    );
    refused(
        "swin_tiny_patch4_window7_224",
        "swin_base_patch4_window7_224.ms_in22k",
        &["1000 classes", "21841"],
    );
}

#[test]
fn cases_without_sense_are_refused() {
    let once = |warmup, runs| Length { warmup, runs };
    let train = |batch| Case::Train {
        student: deit(),
        batch,
    };
    assert!(problem(&train(0), LENGTH).contains("at least 1 image"));
    assert!(problem(&train(1), once(0, 1)).contains("`train` needs a warm-up"));
    assert!(problem(&train(1), once(1, 0)).contains("at least 1"));
    let form = Form::Parseval;
    let shape = [8, 0, 14, 14];
    assert!(problem(&Case::Loss { shape, form }, LENGTH).contains("[8, 0, 14, 14]"));
    let shape = [1, 1, 1, 1];
    Case::Loss { shape, form }.check(once(0, 1)).unwrap();
    let error = Named::find("deit_tiny_patch16_242")
        .unwrap_err()
        .to_string();
    assert!(error.contains("the nearest is `deit_tiny_patch16_224`"));
}

/// timm's published counts: 1.26 GMACs for DeiT-Tiny, 9.35 for CaiT-S24, 4.51 for Swin-Tiny.
#[test]
fn operations_are_counted_as_published() {
    let find = |name| Named::find(name).unwrap();
    let (deit, cait) = (find("deit_tiny_patch16_224"), find("cait_s24_224"));
    let swin = find("swin_tiny_patch4_window7_224");
    let close = |case: Case, expected: f64| {
        let gflop = case.gflop().unwrap().unwrap();
        assert!(
            (gflop / expected - 1.0).abs() < 0.005,
            "{gflop}, not {expected}"
        );
    };
    close(step(deit.clone(), cait), 2.0 * (3.0 * 1.26 + 9.35) * 8.0);
    close(
        Case::Train {
            student: deit,
            batch: 16,
        },
        2.0 * 3.0 * 1.26 * 16.0,
    );
    close(
        Case::Infer {
            student: swin,
            batch: 1,
        },
        2.0 * 4.51,
    );
    let loss = Case::Loss {
        shape: [1; 4],
        form: Form::Fft,
    };
    assert_eq!(loss.gflop().unwrap(), None);
}

const KEYS: [&str; 26] = [
    "tool",
    "case",
    "student",
    "teacher",
    "shape",
    "batch",
    "threads",
    "dtype",
    "form",
    "warmup",
    "runs",
    "seconds",
    "median_s",
    "min_s",
    "q1_s",
    "q3_s",
    "max_s",
    "images_per_s",
    "gflop",
    "gflop_per_s",
    "ceiling",
    "share_of_sgemm",
    "share_of_fma",
    "peak_rss_mib",
    "machine",
    "version",
];

#[test]
fn a_record_has_every_key() {
    let go = AtomicBool::new(false);
    let form = Form::Parseval;
    let shape = [2, 3, 4, 5];
    for case in [step(deit(), cait()), Case::Loss { shape, form }] {
        let record = measure(&case, LENGTH, &Runtime::cpu(), "1.2.3", &go).unwrap();
        let json = record.json().unwrap();
        assert_eq!(Record::parse(&json).unwrap(), record);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let mut keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        keys.sort();
        let mut expected = KEYS;
        expected.sort();
        assert_eq!(keys, expected);
        for rate in ["fma_gflop_per_s", "sgemm_gflop_per_s"] {
            assert!(value["ceiling"][rate].as_f64().unwrap() > 0.0);
        }
        assert_eq!(value["seconds"].as_array().unwrap().len(), 3);
        assert_eq!(
            (&value["tool"], &value["version"]),
            (&"spectralkd".into(), &"1.2.3".into())
        );
        let images = value["batch"].as_f64().unwrap() / value["median_s"].as_f64().unwrap();
        assert_eq!(value["images_per_s"], images);
        let is_loss = value["case"] == "loss";
        for key in [
            "student",
            "teacher",
            "gflop",
            "gflop_per_s",
            "share_of_sgemm",
            "share_of_fma",
        ] {
            assert_eq!(value[key].is_null(), is_loss, "{key}");
        }
        assert_eq!(value["form"].is_null(), !is_loss);
        assert_eq!(value["shape"].is_null(), !is_loss);
        assert!(table(std::slice::from_ref(&record)).contains(&record.machine));
        assert!(line(&record).starts_with(record.case.as_str()));
    }
}

#[test]
fn nothing_is_timed_in_bf16() {
    let runtime = Runtime {
        precision: runtime::Precision::Bf16,
        ..Runtime::cpu()
    };
    let (case, go) = (step(deit(), cait()), AtomicBool::new(false));
    let error = measure(&case, LENGTH, &runtime, "1.2.3", &go).unwrap_err();
    assert!(error.to_string().contains("f32 or tf32"), "{error}");
}
