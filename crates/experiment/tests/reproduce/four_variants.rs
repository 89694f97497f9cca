//! The experiment that the house is built for, in small: no distillation, logits, the spectral loss and its control,
//! with two seeds, beside a linear classifier.

use std::path::Path;

use serde_json::Value;
use spectralkd_base::digest::file_sha256;
use spectralkd_experiment::reproduce::Status;

use crate::disk::{self, Csv};
use crate::pins::{self, Found};
use crate::report_page;
use crate::schema::{Loss, Pairs, Written, measures, terms};
use crate::workplace::{WEIGHTS, Workplace, run_folder};

/// The variants, in the order of the file.
pub const VARIANTS: [(&str, Loss); 4] = [
    ("none", Loss::Labels),
    ("logits", Loss::Soft),
    ("spectral", Loss::Spectral),
    ("mse", Loss::MatchedMse),
];

/// The pairs of layers.
pub const PAIRS: [(usize, usize); 3] = [(0, 0), (1, 3), (2, 4)];

/// The experiment.
pub const EXPERIMENT: Written = Written {
    seeds: &[0, 1],
    variants: &VARIANTS,
    pairs: Pairs::Listed(&PAIRS),
    compared: true,
    weights: WEIGHTS,
    recipe: None,
};

/// Accuracies of all runs in percent, as they are listed.
const ACCURACIES: [f64; 10] = [24.0, 10.0, 10.0, 10.0, 10.0, 26.0, 22.0, 10.0, 10.0, 10.0];

/// (Name, seed) of every run in the order in which they are listed.
fn runs() -> Vec<(&'static str, u64)> {
    let names = ["floor"].into_iter().chain(VARIANTS.map(|(name, _)| name));
    let names: Vec<&str> = names.collect();
    let of_seed = |&seed: &u64| {
        names
            .iter()
            .map(move |name| (*name, seed))
            .collect::<Vec<_>>()
    };
    EXPERIMENT.seeds.iter().flat_map(of_seed).collect()
}

#[test]
fn four_variants_come_to_the_pinned_numbers() {
    let workplace = Workplace::new();
    let (summary, out) = workplace.run("net", &EXPERIMENT.toml());
    assert_eq!(summary.status, Status::Done);
    first_steps(&out);
    training(&out);
    manifest(&out, &workplace.path(WEIGHTS));
    results(&out);
    table(&out);
    report_page::check(&out);
}

/// Every term of the first step's loss, the loss, and the gradient's norm.
fn first_steps(out: &Path) {
    let mut found = Found::new();
    for (name, seed) in runs() {
        first_step(&mut found, name, seed, &run_folder(out, name, seed));
    }
    pins::check(&found, include_str!("pins/first_steps.txt"), 1e-5);
}

/// The numbers of a run's first step.
pub fn first_step(found: &mut Found, name: &str, seed: u64, run: &Path) {
    let step = disk::first_step(run);
    let mut put = |what: &str, value: f64| found.insert(format!("{name} {seed} {what}"), value);
    for (term, value) in terms(&step) {
        put(term, value);
    }
    put("loss", step["loss"].as_f64().unwrap());
    put("gradient", step["grad_norm"].as_f64().unwrap());
}

/// What depends on all images and all steps: means over epochs, and what was measured after them.
fn training(out: &Path) {
    let mut found = Found::new();
    for (name, seed) in runs() {
        let run = run_folder(out, name, seed);
        for epoch in epochs(&mut found, name, seed, &run) {
            let images = if name == "floor" { 32 } else { 40 };
            assert_eq!(epoch["samples"], images, "{name}");
        }
    }
    let intensity = Csv::read(&out.join("teacher/intensity.csv"));
    for (layer, value) in intensity.numbers("intensity").iter().enumerate() {
        found.insert(format!("teacher {layer} intensity"), value.unwrap());
    }
    pins::check(&found, include_str!("pins/training.txt"), 1e-4);
}

/// The numbers of a run's epochs, accuracies apart; the epochs.
pub fn epochs(found: &mut Found, name: &str, seed: u64, run: &Path) -> Vec<Value> {
    let epochs = disk::events(run, "epoch");
    for (i, epoch) in epochs.iter().enumerate() {
        let mut put = |what: &str, value| found.insert(format!("{name} {seed} {i} {what}"), value);
        for (term, value) in terms(epoch) {
            put(term, value);
        }
        put("loss", epoch["loss"].as_f64().unwrap());
        for (measure, value) in measures(epoch) {
            put(&measure, value);
        }
    }
    epochs
}

/// Where the numbers came from.
fn manifest(out: &Path, weights: &Path) {
    let manifest = disk::json(&out.join("manifest.json"));
    let (data, teacher) = (&manifest["data"], &manifest["teacher"]);
    let images = [
        &data["train_images"],
        &data["train_sha256"],
        &data["test_images"],
        &data["test_sha256"],
    ];
    assert_eq!(
        images.map(Value::to_string),
        [
            "40",
            "\"cdbadb64be62438e82926a3906ac356b89279c329dc981dcfe111480de49ef92\"",
            "50",
            "\"770084862ce9db22cf68c33665c39e4d6961a40205b87f5f53320779c9a63df1\"",
        ],
    );
    assert_eq!(teacher["sha256"], file_sha256(weights).unwrap());
    assert_eq!(teacher["made"]["data"]["train_images"], 60_000);
    assert_eq!(teacher["params"], 33_978);
    near("the teacher", teacher["top1"].as_f64().unwrap(), 12.0);
    let ratio = manifest["spectral_to_mse"].as_f64().unwrap();
    pins::check(
        &Found::from([("ratio".to_owned(), ratio)]),
        "ratio 0.65016955",
        1e-5,
    );

    let calls = manifest["invocations"].as_array().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (&calls[0]["seeds"], &calls[0]["threads"]),
        (&[0, 1][..].into(), &2.into())
    );
    let config: toml::Table = toml::from_str(&disk::text(&out.join("config.toml"))).unwrap();
    assert_eq!(config["seeds"].as_array().map(Vec::len), Some(2));
    assert_eq!(config["title"].as_str(), Some("A net"));
}

/// An accuracy in percent is at most three of the fifty test images away.
fn near(what: &str, found: f64, pinned: f64) {
    assert!((found - pinned).abs() < 6.5, "{what}: {found} for {pinned}");
}

/// `results.csv` says what each run's own `result.json` says.
fn results(out: &Path) {
    let csv = Csv::read(&out.join("results.csv"));
    assert_eq!(
        csv.header(),
        "variant,seed,epochs,top1,top5,loss,seconds,average_top1"
    );
    let (names, seeds) = (csv.column("variant"), csv.column("seed"));
    let listed: Vec<(&str, u64)> = (names.into_iter().zip(seeds))
        .map(|(name, seed)| (name, seed.parse().unwrap()))
        .collect();
    assert_eq!(listed, runs());
    for (i, (name, seed)) in listed.into_iter().enumerate() {
        let run = run_folder(out, name, seed);
        let result = disk::json(&run.join("result.json"));
        assert_eq!(
            (&result["variant"], &result["seed"]),
            (&name.into(), &seed.into())
        );
        for key in ["epochs", "top1", "top5", "loss", "seconds"] {
            assert_eq!(csv.numbers(key)[i], result[key].as_f64(), "{name} {key}");
        }
        let last = disk::events(&run, "epoch").pop().unwrap();
        for key in ["top1", "top5", "loss"] {
            assert_eq!(
                result[key],
                last["metrics"][format!("test.{key}")],
                "{name} {key}"
            );
        }
        near(name, result["top1"].as_f64().unwrap(), ACCURACIES[i]);
    }
}

/// `table.csv` follows from `results.csv`.
fn table(out: &Path) {
    let results = Csv::read(&out.join("results.csv"));
    let accuracy = |name: &str| -> Vec<f64> {
        let rows = results
            .column("variant")
            .into_iter()
            .zip(results.numbers("top1"));
        rows.filter(|(n, _)| *n == name)
            .map(|(_, top1)| top1.unwrap())
            .collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let table = Csv::read(&out.join("table.csv"));
    assert_eq!(
        table.header(),
        "variant,seeds,top1_mean,top1_sd,top1_min,top1_max,difference,difference_low,difference_high,verdict,average_top1_mean"
    );
    let names = table.column("variant");
    assert_eq!(names, ["none", "logits", "spectral", "mse", "floor"]);
    assert_eq!(table.column("seeds"), ["2"; 5]);
    let baseline = mean(&accuracy("logits"));
    for (i, name) in names.into_iter().enumerate() {
        let own = accuracy(name);
        let number = |column: &str| table.numbers(column)[i];
        assert!((number("top1_mean").unwrap() - mean(&own)).abs() < 1e-9);
        assert_eq!(number("top1_min"), own.iter().copied().reduce(f64::min));
        let compared = name != "logits" && name != "floor";
        let difference = compared.then(|| mean(&own) - baseline);
        match (number("difference"), difference) {
            (Some(found), Some(difference)) => assert!((found - difference).abs() < 1e-9, "{name}"),
            (found, difference) => assert_eq!(found, difference, "{name}"),
        }
    }
}
