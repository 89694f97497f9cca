//! The commands as a person types them: what they print, and how they end.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs the command line, without the network and with a cache of its own.
fn xtask(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(arguments)
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", folder.join("hf"))
        .env("CANDLE_NUM_THREADS", "1");
    command
}

fn text(bytes: &[u8]) -> String {
    // Reports are wrapped to the width of a page, with a bar at the edge.
    let text = String::from_utf8_lossy(bytes).replace('│', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fails(folder: &Path, arguments: &[&str], expected: &[&str]) {
    let output = xtask(folder, arguments);
    let error = text(&output.stderr);
    assert!(!output.status.success(), "{arguments:?} did not fail");
    for part in expected {
        assert!(
            error.contains(part),
            "{arguments:?}: no `{part}` in: {error}"
        );
    }
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
fn the_registry_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let output = xtask(dir.path(), &["models", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let models: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let cait = models.iter().find(|m| m["name"] == "cait_s24_224").unwrap();
    assert_eq!(cait["repository"], "timm/cait_s24_224.fb_dist_in1k");
    assert_eq!(cait["params"], 46_916_200);
    assert_eq!(cait["taps"].as_array().unwrap().len(), 24);

    let list = text(&xtask(dir.path(), &["models"]).stdout);
    for model in &models {
        assert!(list.contains(model["name"].as_str().unwrap()), "{list}");
    }
    let one = text(&xtask(dir.path(), &["models", "swin_tiny_patch4_window7_224"]).stdout);
    assert!(
        one.contains("timm/swin_tiny_patch4_window7_224.ms_in1k")
            && one.contains("tap 3 768 x 7 x 7"),
        "{one}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_mistake_and_a_full_disk_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = command(dir.path(), &["models", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");

    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let output = command(dir.path(), &["models", "--json"])
        .stdout(full.unwrap())
        .output()
        .unwrap();
    let error = text(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains("cannot write to standard output"), "{error}");
}

#[test]
fn mistakes_end_in_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().display().to_string();
    let (x, y) = (
        format!("{here}/x.safetensors"),
        format!("{here}/y.safetensors"),
    );
    fails(
        dir.path(),
        &["models", "deit_tiny_patch16_242"],
        &["the nearest is `deit_tiny_patch16_224`"],
    );
    let features = [
        "features",
        "--model",
        "swin_tiny_patch4_window7_224",
        "--input",
        &x,
        "--output",
        &y,
    ];
    fails(
        dir.path(),
        &features,
        &["HF_HUB_OFFLINE", "swin_tiny_patch4_window7_224.ms_in1k"],
    );
    fails(
        dir.path(),
        &["features", "--model", "cait_s24_224", "--output", &y],
        &["--input", "--images"],
    );
    fails(
        dir.path(),
        &[
            "features",
            "--model",
            "cait_s24_224",
            "--input",
            &x,
            "--output",
            &y,
            "--taps",
            "0,x",
        ],
        &["0,3,-1"],
    );
    fails(
        dir.path(),
        &["evaluate", "--weights", &x, "--data", &here],
        &["there are no weights at", "hf://owner/name"],
    );
    fails(
        dir.path(),
        &["export", &here, "--to", &y],
        &["is no finished run"],
    );
}

#[test]
fn the_doctor_looks_without_the_network() {
    let dir = tempfile::tempdir().unwrap();
    let output = xtask(dir.path(), &["doctor"]);
    let found = text(&output.stdout);
    assert!(output.status.success(), "{found}");
    for topic in [
        "processor",
        "allocator",
        "memory",
        "devices",
        "cache",
        "HF_HUB_OFFLINE is set",
        "free under",
    ] {
        assert!(found.contains(topic), "no `{topic}` in: {found}");
    }
}

#[test]
fn the_doctor_says_what_to_set() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bad, good) in [
        ("CANDLE_NUM_THREADS", "2", "set it to 1"),
        ("MIMALLOC_PURGE_DELAY", "0", "set MIMALLOC_PURGE_DELAY=-1"),
    ] {
        let mut command = command(dir.path(), &["doctor"]);
        let found = text(&command.env(name, bad).output().unwrap().stdout);
        assert!(found.contains(good), "no `{good}` in: {found}");
    }
}

/// The command line in a folder of its own, and beside it what is found for `xtask-cuda`.
#[cfg(unix)]
fn with_cards(folder: &Path, script: &str, arguments: &[&str]) -> Output {
    let program = folder.join("xtask");
    // Written by another process: a file that is open here for writing when another test forks cannot be executed.
    let shell = |commands: &str, a: &str, b: &Path| {
        let mut shell = Command::new("sh");
        let done = shell.args(["-ec", commands, "sh", a]).arg(b).status();
        assert!(done.unwrap().success());
    };
    if !program.exists() {
        shell("cp \"$1\" \"$2\"", env!("CARGO_BIN_EXE_xtask"), &program);
    }
    if !script.is_empty() {
        let write = "printf '%s' \"$1\" >\"$2\"; chmod +x \"$2\"";
        shell(write, script, &folder.join("xtask-cuda"));
    }
    let mut command = Command::new(program);
    command.args(arguments).env("HF_HUB_OFFLINE", "1");
    command.output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_card_is_the_second_programs() {
    let dir = tempfile::tempdir().unwrap();
    let cuda = ["doctor", "--device", "cuda:1"];
    let said = |script: &str| {
        let output = with_cards(dir.path(), script, &cuda);
        assert!(!output.status.success());
        text(&output.stderr)
    };
    let absent = said("");
    assert!(
        absent.contains("--device cuda:1") && absent.contains("cargo build -p xtask"),
        "{absent}"
    );
    let loader = "#!/bin/sh\necho 'x: error while loading shared libraries: LIB: cannot open' >&2\nexit 127\n";
    let driver = said(&loader.replace("LIB", "libcuda.so.1"));
    assert!(driver.contains("no NVIDIA driver"), "{driver}");
    let library = said(&loader.replace("LIB", "libcublas.so.13"));
    assert!(library.contains("LD_LIBRARY_PATH"), "{library}");
    // `auto` goes on with the CPU.
    let output = with_cards(dir.path(), "", &["doctor", "--device", "auto"]);
    let found = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(found.contains("libcublas.so.13 is missing"), "{found}");

    // One that starts gets the arguments as they are, and its exit code counts.
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho \"got $*\"\nexit 7\n";
    for device in ["cuda:1", "auto"] {
        let output = with_cards(dir.path(), script, &["doctor", "--device", device]);
        assert_eq!(output.status.code(), Some(7));
        let expected = format!("got doctor --device {device}");
        assert_eq!(text(&output.stdout), expected);
    }
    let output = with_cards(dir.path(), script, &["reproduce", "--device", "cuda"]);
    assert_eq!(text(&output.stdout), "got reproduce --device cuda");
    for (precision, words) in [("bf16", "f32 or tf32"), ("tf32", "the CPU computes in f32")] {
        let refused = with_cards(dir.path(), "", &["reproduce", "--precision", precision]);
        let error = text(&refused.stderr);
        assert!(
            !refused.status.success() && error.contains(words),
            "{error}"
        );
    }
}

#[test]
fn the_doctor_checks_what_the_cpu_computes() {
    let dir = tempfile::tempdir().unwrap();
    let output = xtask(dir.path(), &["doctor", "--check", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (last, cases) = lines.split_last().unwrap();
    assert_eq!(
        (&last["device"], &last["passed"]),
        (&"cpu in f32".into(), &true.into())
    );
    for group in ["layer", "spectral", "loss", "optimiser", "model", "step"] {
        assert!(cases.iter().any(|case| case["group"] == group), "{group}");
    }
    fails(dir.path(), &["doctor", "--json"], &["--check"]);
    fails(
        dir.path(),
        &["doctor", "--device", "gpu"],
        &["`gpu` is no device", "cuda:N"],
    );
}

#[test]
fn the_speed_of_a_loss_is_one_line_of_json() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = "speed loss --shape 1,2,3,5 --runs 2 --threads 2 --json";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let output = xtask(dir.path(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json = String::from_utf8(output.stdout).unwrap();
    assert_eq!(json.lines().count(), 1, "{json}");
    let record: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(record["tool"], "spectralkd");
    assert_eq!(record["shape"], serde_json::json!([1, 2, 3, 5]));
    assert_eq!(record["seconds"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&record["batch"], &record["threads"]),
        (&1.into(), &2.into())
    );
    assert_eq!(
        (&record["form"], &record["warmup"]),
        (&"parseval".into(), &5.into())
    );
    assert!(record["gflop"].is_null() && record["student"].is_null());

    let arguments: Vec<&str> = "speed --runs 1 loss --form fft --shape 2,2,4,4"
        .split(' ')
        .collect();
    let table = text(&xtask(dir.path(), &arguments).stdout);
    for part in ["loss 2x2x4x4, fft", "median", "of sgemm", "were drawn"] {
        assert!(table.contains(part), "no `{part}` in: {table}");
    }
}

#[test]
fn what_cannot_be_timed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |arguments: &str, expected: &[&str]| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        fails(dir.path(), &arguments, expected);
    };
    refused(
        "speed infer --student deit_tiny_patch16_242",
        &["the nearest is `deit_tiny_patch16_224`"],
    );
    refused(
        "speed train --batch 0",
        &["`0` is no whole number of at least 1"],
    );
    refused("speed train --warmup 0", &["needs a warm-up of at least 1"]);
    refused("speed --runs 0", &["`0` is no whole number of at least 1"]);
    refused("speed infer --threads 0", &["--threads must be at least 1"]);
    refused("speed loss --shape 8,0,14,14", &["`8,0,14,14` holds a 0"]);
    refused("speed loss --shape 8,192,14", &["8,192,14,14"]);
    refused("speed loss --form dct", &["parseval, fft"]);
    refused("speed step --dtype f16", &["f32, bf16-teacher"]);
    refused("speed loss --precision tf32", &["tf32 is for cards"]);
    refused("speed loss --device cuda:x", &["`cuda:x` is no device"]);
    refused(
        "speed infer --dtype bf16-teacher",
        &["`infer` has no teacher", "`step`"],
    );
    refused("speed --dtype bf16-teacher", &["goes with one case"]);
    refused(
        "speed step --teacher swin_small_patch4_window7_224",
        &[
            "cannot be a student of swin_small_patch4_window7_224",
            "What fits",
        ],
    );
}
