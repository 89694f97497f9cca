//! The teacher's own recipe: trained by itself, or on the way to its students.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use spectralkd_base::digest::file_sha256;
use spectralkd_base::progress::Silent;
use spectralkd_experiment::reproduce::Options;

use crate::disk;
use crate::four_variants::{EXPERIMENT, epochs, first_step};
use crate::pins::{self, Found};
use crate::schema::{self, Loss, Written};
use crate::workplace::{Workplace, run_folder};

/// The manifest beside exported weights says what they are.
fn exported(weights: &Path, trained: &Path) {
    let kept = trained.join("weights.safetensors");
    assert!(std::fs::read(weights).unwrap() == std::fs::read(kept).unwrap());
    let made = disk::json(&weights.with_extension("json"));
    assert_eq!(made["sha256"], file_sha256(weights).unwrap());
    let result = disk::json(&trained.join("result.json"));
    for key in ["seed", "epochs", "top1"] {
        assert_eq!(made[key], result[key], "{key}");
    }
    assert_eq!(made["data"]["train_images"], 40);
}

#[test]
fn a_recipe_exports_weights_that_are_good_enough() {
    let workplace = Workplace::new();
    let (summary, out) = workplace.run("teacher", &schema::recipe("made/own.safetensors", 0.0));
    let weights = workplace.path("made/own.safetensors");
    assert_eq!(summary.exported.as_ref(), Some(&weights));
    let run = run_folder(&out, "plain", 0);
    exported(&weights, &run);
    let mut found = Found::new();
    first_step(&mut found, "recipe", 0, &run);
    pins::check(&found, include_str!("pins/recipe.txt"), 1e-5);
    let mut found = Found::new();
    epochs(&mut found, "recipe", 0, &run);
    pins::check(&found, include_str!("pins/recipe_training.txt"), 1e-4);

    workplace.write("better", &schema::recipe("made/better.safetensors", 100.0));
    let options = workplace.options("better");
    let error = workplace.error("better", &options);
    assert!(error.contains("less than the 100.00 %"), "{error}");
    assert!(!workplace.path("made/better.safetensors").exists());
    let kept = run_folder(&options.out, "plain", 0).join("weights.safetensors");
    assert!(kept.is_file());
}

#[test]
fn a_teacher_that_is_trained_on_the_way_teaches() {
    let workplace = Workplace::new();
    workplace.write("teacher", &schema::recipe("unused.safetensors", 0.0));
    let experiment = Written {
        seeds: &[0],
        variants: &[("spectral", Loss::Spectral)],
        compared: false,
        recipe: Some("teacher.toml"),
        ..EXPERIMENT
    };
    workplace.write("student", &experiment.toml());
    let options = Options {
        train_teacher: true,
        ..workplace.options("student")
    };
    let run = |options: &Options| {
        workplace
            .try_run("student", options, &Silent, &AtomicBool::new(false))
            .unwrap();
    };
    run(&options);
    let own = workplace.path("runs/teacher/full");
    let weights = own.join("teacher.safetensors");
    exported(&weights, &run_folder(&own, "plain", 0));
    assert!(!workplace.path("unused.safetensors").exists());
    let manifest = disk::json(&options.out.join("manifest.json"));
    assert_eq!(
        manifest["teacher"]["sha256"],
        file_sha256(&weights).unwrap()
    );

    // The same student as of those weights by their path.
    let given = Written {
        weights: "runs/teacher/full/teacher.safetensors",
        recipe: None,
        ..experiment
    };
    let (_, out) = workplace.run("given", &given.toml());
    let step = |out| disk::timeless(disk::first_step(&run_folder(out, "spectral", 0)));
    assert_eq!(step(&options.out), step(&out));

    // Not trained again.
    let trained = disk::text(&run_folder(&own, "plain", 0).join("events.jsonl"));
    run(&options);
    assert_eq!(
        disk::text(&run_folder(&own, "plain", 0).join("events.jsonl")),
        trained
    );
}
