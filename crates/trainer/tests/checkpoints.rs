//! Which checkpoints a run goes on from, and which it skips or refuses.

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use candle_core::Device;
use common::{Net, Quirks, STEPS, bits, checkpoints, config, interrupted, log, run};
use spectralkd_trainer::events::Event;
use spectralkd_trainer::{Error, TrainConfig};

/// What a complete run leaves.
const LAST_TWO: [&str; 4] = [
    "step-00000039.json",
    "step-00000039.safetensors",
    "step-00000040.json",
    "step-00000040.safetensors",
];

/// What `f` returns, and the warnings it gave.
fn warnings_of<T>(f: impl FnOnce() -> T) -> (T, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_ansi(false)
        .with_writer(Mutex::new(file.reopen().unwrap()))
        .finish();
    let value = tracing::subscriber::with_default(subscriber, f);
    (value, fs::read_to_string(file.path()).unwrap())
}

#[test]
fn a_torn_checkpoint_is_skipped() {
    let reference = run(
        &mut Net::new(1),
        &config(),
        tempfile::tempdir().unwrap().path(),
    )
    .unwrap();
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("a cut tensor file", |stem| {
            let path = stem.with_extension("safetensors");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("a flipped bit", |stem| {
            let path = stem.with_extension("safetensors");
            let mut bytes = fs::read(&path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("no tensor file", |stem| {
            fs::remove_file(stem.with_extension("safetensors")).unwrap();
        }),
        ("an empty sidecar", |stem| {
            fs::write(stem.with_extension("json"), "").unwrap();
        }),
        ("a sidecar without its state", |stem| {
            fs::write(stem.with_extension("json"), r#"{"format": 1}"#).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        interrupted(&mut Net::new(1), &config(), folder.path(), 7).unwrap();
        let stems = folder.path().join("checkpoints");
        assert_eq!(checkpoints(folder.path()).len(), 4, "steps 6 and 7");
        damage(&stems.join("step-00000007"));
        let (rest, warnings) = warnings_of(|| run(&mut Net::new(1), &config(), folder.path()));
        let rest = rest.unwrap();
        assert_eq!(rest.resumed_from, Some(6), "{what}");
        assert!(
            warnings.contains("skipping a torn checkpoint")
                && warnings.contains("step-00000007.json")
                && !warnings.contains("step-00000006"),
            "{what}: {warnings}"
        );
        assert_eq!(bits(&rest.weights), bits(&reference.weights), "{what}");
        let steps = log(folder.path())
            .iter()
            .filter(|e| matches!(e, Event::Step(_)))
            .count();
        assert_eq!(steps as u64, 4 * STEPS, "{what}");
        assert_eq!(checkpoints(folder.path()), LAST_TWO, "{what}");
    }
    // With no intact checkpoint at all the run begins anew.
    let folder = tempfile::tempdir().unwrap();
    interrupted(&mut Net::new(1), &config(), folder.path(), 7).unwrap();
    for step in [6, 7] {
        let path = format!("checkpoints/step-0000000{step}.safetensors");
        fs::write(folder.path().join(path), "short").unwrap();
    }
    let anew = run(&mut Net::new(1), &config(), folder.path()).unwrap();
    assert_eq!(anew.resumed_from, None);
    assert_eq!(bits(&anew.weights), bits(&reference.weights));
    assert!(folder.path().join("events.discarded-1.jsonl").exists());
}

#[test]
fn a_torn_checkpoint_takes_no_intact_ones_place() {
    let folder = tempfile::tempdir().unwrap();
    interrupted(&mut Net::new(1), &config(), folder.path(), 7).unwrap();
    let torn = folder.path().join("checkpoints/step-00000007.safetensors");
    fs::write(torn, "short").unwrap();
    let again = interrupted(&mut Net::new(1), &config(), folder.path(), 2).unwrap();
    assert_eq!((again.resumed_from, again.steps), (Some(6), 8));
    let left = checkpoints(folder.path());
    let sidecars: Vec<_> = left.iter().filter(|n| n.ends_with(".json")).collect();
    assert_eq!(sidecars, ["step-00000006.json", "step-00000008.json"]);
}

#[test]
fn what_killed_processes_left_is_swept_away_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let stems = folder.path().join("checkpoints");
    fs::create_dir_all(&stems).unwrap();
    let left = [".step-00000001.json.77.0.tmp", "step-00000002.safetensors"];
    let others = ["notes.txt", "step-00000099.safetensors"];
    for name in left.iter().chain(&others) {
        fs::write(stems.join(name), "").unwrap();
    }
    run(&mut Net::new(1), &config(), folder.path()).unwrap();
    let mut expected = [others.as_slice(), LAST_TWO.as_slice()].concat();
    expected.sort();
    assert_eq!(checkpoints(folder.path()), expected);
}

#[test]
fn another_configuration_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    interrupted(&mut Net::new(1), &config(), folder.path(), 7).unwrap();
    let before = (checkpoints(folder.path()), log(folder.path()));

    let faster = TrainConfig {
        lr: 0.02,
        epochs: 5,
        ..config()
    };
    let error = run(&mut Net::new(1), &faster, folder.path())
        .unwrap_err()
        .to_string();
    for said in [
        "--fresh",
        "step-00000007.json",
        "train.lr: 0.01 then, 0.02 now",
        "train.epochs: 4 then, 5 now",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
    let error = run(&mut Net::new(2), &config(), folder.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("task.seed: 1 then, 2 now"), "{error}");
    assert_eq!((checkpoints(folder.path()), log(folder.path())), before);

    // How often it saves and logs is not part of what a run is.
    let chatty = TrainConfig {
        checkpoint_every_steps: None,
        log_every_steps: 2,
        ..config()
    };
    assert_eq!(
        run(&mut Net::new(1), &chatty, folder.path())
            .unwrap()
            .resumed_from,
        Some(7)
    );
}

#[test]
fn another_model_or_format_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    interrupted(&mut Net::new(1), &config(), folder.path(), 7).unwrap();
    let quirks = Quirks {
        unused: true,
        ..Quirks::default()
    };
    let error = run(&mut Net::with(1, quirks), &config(), folder.path()).unwrap_err();
    assert!(
        error.to_string().contains("`weights/unused` is missing"),
        "{error}"
    );

    let path = folder.path().join("checkpoints/step-00000007.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    let error = run(&mut Net::new(1), &config(), folder.path()).unwrap_err();
    assert!(matches!(error, Error::Format { found: 2, .. }), "{error}");
}

#[test]
fn what_is_saved_can_be_read_by_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(&mut Net::new(1), &config(), folder.path()).unwrap();
    let path = outcome.checkpoint.unwrap().with_extension("safetensors");
    let tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    assert_eq!(
        tensors.len(),
        4 * 5,
        "weights, average, two moments and a count each"
    );
    let saved = outcome
        .weights
        .keys()
        .map(|n| (n.clone(), tensors[&format!("weights/{n}")].clone()));
    assert_eq!(bits(&saved.collect()), bits(&outcome.weights));

    let bytes = fs::read(&path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    assert_eq!(metadata.keys().collect::<Vec<_>>(), ["spectralkd"]);
    let about: serde_json::Value = serde_json::from_str(&metadata["spectralkd"]).unwrap();
    assert_eq!(about["step"], 40);
}
