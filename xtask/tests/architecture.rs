//! The invariants of docs/ARCHITECTURE.md that can be read off manifests and sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The page's table: crate to the crates it may use.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let name = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rows = page.lines().filter(|l| l.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let uses = cells[2]
            .split(',')
            .map(name)
            .filter(|n| n != "nothing")
            .collect();
        (name(cells[0]), uses)
    })
    .collect()
}

fn folder(package: &str) -> PathBuf {
    match package {
        "xtask" => root().join("xtask"),
        other => root().join("crates").join(other),
    }
}

/// All Rust files under a crate's `src`, with their text up to its own tests.
fn sources(package: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![folder(package).join("src")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text
                    .split("#[cfg(test)]\nmod tests")
                    .next()
                    .unwrap()
                    .to_owned();
                found.push((path, code));
            }
        }
    }
    assert!(!found.is_empty(), "{package} has no sources");
    found
}

/// Lines of code, without comments, that hold one of the words.
fn lines_with(package: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources(package) {
        for (i, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            if words.iter().any(|w| code.contains(w)) {
                found.push(format!("{}:{}: {}", path.display(), i + 1, line.trim()));
            }
        }
    }
    found
}

fn none(package: &str, words: &[&str]) {
    let found = lines_with(package, words);
    assert!(
        found.is_empty(),
        "{package} must not use {words:?}:\n{}",
        found.join("\n")
    );
}

#[test]
fn every_crate_stands_in_the_table() {
    let mut packages: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    packages.insert("xtask".into());
    assert_eq!(allowed().into_keys().collect::<BTreeSet<_>>(), packages);
}

#[test]
fn crates_use_what_the_table_says() {
    for (package, allowed) in allowed() {
        let manifest = fs::read_to_string(folder(&package).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        let ours: BTreeSet<String> = dependencies
            .keys()
            .filter_map(|k| k.strip_prefix("spectralkd-"))
            .map(str::to_owned)
            .collect();
        assert_eq!(
            ours, allowed,
            "{package}: left its manifest, right docs/ARCHITECTURE.md"
        );
    }
}

#[test]
fn the_mathematics_touches_no_file() {
    for package in ["spectral", "nn", "losses", "report"] {
        none(
            package,
            &["std::fs", "File::", "std::io", "std::net", "std::env::var"],
        );
    }
}

#[test]
fn only_the_hub_opens_sockets() {
    for package in allowed().into_keys().filter(|p| p != "hub") {
        none(
            &package,
            &["std::net", "TcpStream", "reqwest", "hf_hub", "ureq"],
        );
    }
}

#[test]
fn only_xtask_prints() {
    for package in allowed().into_keys().filter(|p| p != "xtask") {
        none(
            &package,
            &[
                "println!",
                "print!(",
                "eprint!(",
                "dbg!",
                "io::stdout",
                "io::stderr",
            ],
        );
    }
}

/// On a device each read waits for all work before it. `Reads` counts; what else reads here has it on the host already
/// (numbers of a step on a CPU, a fetched gradient in the audit, counts in a checkpoint, outputs that are kept).
#[test]
fn what_trains_reads_in_known_places() {
    let reads = ["to_scalar", "to_vec0", "to_vec1", "to_vec2", "to_vec3"];
    let known = [
        "trainer/src/reads.rs",
        "trainer/src/guard.rs",
        "trainer/src/gradients.rs",
        "trainer/src/measured.rs",
        "trainer/src/audit.rs",
        "trainer/src/optimiser/",
        "trainer/src/group/threads.rs",
        "distillation/src/teacher/cached.rs",
        "distillation/src/teacher/frozen.rs",
    ];
    for package in ["trainer", "distillation"] {
        let found = lines_with(package, &reads);
        let strange: Vec<&String> = found
            .iter()
            .filter(|line| !known.iter().any(|place| line.contains(place)))
            .collect();
        assert!(strange.is_empty(), "reads of the host: {strange:#?}");
    }
}

#[test]
fn every_draw_is_keyed() {
    let unkeyed = [
        " rand::",
        "(rand::",
        "thread_rng",
        "Tensor::rand",
        "Tensor::randn",
        "rand_like",
        "randn_like",
        "candle_nn::Dropout",
        "ops::dropout",
        "RandomState",
        "VarMap::new",
    ];
    for package in allowed().into_keys() {
        none(&package, &unkeyed);
    }
}

#[test]
fn the_layers_that_lose_gradients_are_not_used() {
    let traps = [
        "candle_nn::LayerNorm",
        "candle_nn::layer_norm",
        "ops::layer_norm",
        "softmax_last_dim",
        "ops::rms_norm",
        "apply_op1_no_bwd",
        "apply_op2_no_bwd",
        "apply_op3_no_bwd",
        "upsample_bilinear2d",
    ];
    for package in [
        "spectral",
        "nn",
        "models",
        "losses",
        "trainer",
        "distillation",
        "evaluation",
        "lens",
        "speed",
        "doctor",
        "experiment",
    ] {
        none(package, &traps);
    }
}

#[test]
fn libraries_choose_no_allocator() {
    for package in allowed().into_keys().filter(|p| p != "xtask") {
        none(&package, &["global_allocator"]);
    }
}
