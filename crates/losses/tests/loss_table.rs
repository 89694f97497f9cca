//! A loss as it stands in a file: what is read, what is written, and where an error belongs.

use serde_json::{Value, json};
use spectralkd_base::inner_error::split;
use spectralkd_losses::kinds::{CrossEntropy, Kl, Mse};
use spectralkd_losses::{Head, Loss, Pairs, Schedule, Spec, Strategy, Width};

fn read(table: Value) -> Loss {
    serde_json::from_value(table).unwrap()
}

/// Path and message of the error.
fn fail(table: Value) -> (String, String) {
    let error = serde_json::from_value::<Loss>(table)
        .unwrap_err()
        .to_string();
    let (path, message) = split(&error);
    (path.to_owned(), message.to_owned())
}

#[test]
fn defaults_are_filled_in() {
    assert_eq!(
        read(json!({ "kind": "kl" })),
        Loss::new(
            Kl {
                tau: 1.0,
                head: Head::Mean
            },
            1.0
        )
    );
    let ce = CrossEntropy {
        smoothing: 0.1,
        head: Head::Mean,
    };
    assert_eq!(read(json!({ "kind": "cross-entropy" })), Loss::new(ce, 1.0));
    let loss = read(json!({ "kind": "mse", "name": "control", "weight": 2, "width": "project" }));
    let mse = Mse {
        width: Width::Project,
        ..Mse::default()
    };
    assert_eq!(
        (loss.name(), loss.weight),
        ("control", Schedule::Constant(2.0))
    );
    assert_eq!(loss.spec, Spec::Mse(mse));
    assert!(loss.pairs().unwrap().is_shared() && loss.uses_teacher());
}

#[test]
fn what_is_written_is_read_again() {
    for table in [
        json!({ "kind": "kl", "weight": 0.9, "tau": 2.0, "head": "distillation" }),
        json!({ "kind": "cross-entropy", "weight": { "value": 0.5, "on": 0, "off": 3 },
                "smoothing": 0.0, "head": "mean" }),
        json!({ "kind": "hard", "name": "h", "weight": { "value": 0.5, "on": 2 }, "head": "mean" }),
        json!({ "kind": "spectral", "weight": { "from": 1.0, "to": 0.0, "start": 0, "end": 9 },
                "pairs": [[0, 0], [11, 23]], "width": "pool", "grid": "spectral-resize" }),
        json!({ "kind": "mse", "weight": 1.0, "matched": true, "width": "project", "grid": "same",
                "pairs": { "strategy": "paper", "count": 8 } }),
        json!({ "kind": "mse", "weight": 1.0, "matched": false, "width": "pool", "grid": "same" }),
    ] {
        let loss = read(table.clone());
        assert_eq!(serde_json::to_value(&loss).unwrap(), table);
        // TOML, too, which has no nothing.
        let text = toml::to_string(&loss).unwrap();
        assert_eq!(toml::from_str::<Loss>(&text).unwrap(), loss, "{text}");
    }
}

#[test]
fn an_error_says_where_inside_it_belongs() {
    for (table, path, message) in [
        (json!({ "weight": 1.0 }), "", "missing field `kind`"),
        (
            json!({ "kind": 3 }),
            "kind",
            "invalid type: integer `3`, expected a string",
        ),
        (
            json!({ "kind": "kll" }),
            "kind",
            "unknown variant `kll`, expected one of `cross-entropy`, `kl`",
        ),
        (
            json!({ "kind": "kl", "wieght": 1.0 }),
            "wieght",
            "unknown field `wieght`, expected one of `kind`, `name`, `weight`, `tau`, `head`",
        ),
        (
            json!({ "kind": "kl", "tau": 0.0 }),
            "tau",
            "must be positive and finite, got 0",
        ),
        (
            json!({ "kind": "kl", "tau": "warm" }),
            "tau",
            "invalid type: string \"warm\", expected f64",
        ),
        (
            json!({ "kind": "kl", "head": "both" }),
            "head",
            "unknown variant `both`, expected one of `mean`",
        ),
        (
            json!({ "kind": "kl", "name": "a.b" }),
            "name",
            "must be made of letters",
        ),
        (
            json!({ "kind": "kl", "name": "" }),
            "name",
            "must be made of letters",
        ),
        (
            json!({ "kind": "cross-entropy", "smoothing": 1.0 }),
            "smoothing",
            "must be at least 0 and less",
        ),
        (
            json!({ "kind": "kl", "weight": -0.5 }),
            "weight",
            "a weight must be finite and at least 0, got -0.5",
        ),
        (
            json!({ "kind": "kl", "weight": "high" }),
            "weight",
            "write a number, { value = 0.2",
        ),
        (
            json!({ "kind": "kl", "weight": { "vale": 1.0 } }),
            "weight.vale",
            "unknown field `vale`",
        ),
        (
            json!({ "kind": "kl", "weight": { "value": 1.0, "to": 1.0 } }),
            "weight.to",
            "unknown field `to`",
        ),
        (
            json!({ "kind": "kl", "weight": { "value": "x" } }),
            "weight.value",
            "invalid type",
        ),
        (
            json!({ "kind": "kl", "weight": { "value": 1.0, "on": 3, "off": 3 } }),
            "weight.off",
            "must be an epoch behind epoch 3",
        ),
        (
            json!({ "kind": "kl", "weight": { "from": 1.0, "to": 0.0, "start": 3, "end": 2 } }),
            "weight.end",
            "must be an epoch behind epoch 3",
        ),
        (
            json!({ "kind": "kl", "weight": { "from": 1.0, "to": -1.0, "end": 2 } }),
            "weight.to",
            "a weight must be",
        ),
        (
            json!({ "kind": "kl", "weight": { "from": 1.0, "to": 1.0 } }),
            "weight",
            "missing field `end`",
        ),
        (
            json!({ "kind": "mse", "pairs": [] }),
            "pairs",
            "give at least one [student block",
        ),
        (
            json!({ "kind": "mse", "pairs": "all" }),
            "pairs",
            "write a list of [student block",
        ),
        (
            json!({ "kind": "mse", "pairs": [[0, 0], [1]] }),
            "pairs.1",
            "[1] is no pair [student block",
        ),
        (
            json!({ "kind": "mse", "pairs": [[0, -1]] }),
            "pairs.0",
            "[0,-1] is no pair",
        ),
        (
            json!({ "kind": "mse", "pairs": { "strategy": "cka", "cuont": 1 } }),
            "pairs.cuont",
            "unknown field `cuont`, expected one of `strategy`, `count`",
        ),
        (
            json!({ "kind": "mse", "pairs": { "strategy": "best", "count": 1 } }),
            "pairs.strategy",
            "unknown variant `best`",
        ),
        (
            json!({ "kind": "mse", "pairs": { "strategy": "cka", "count": 0 } }),
            "pairs.count",
            "must be at least 1",
        ),
        (
            json!({ "kind": "mse", "width": "stretch" }),
            "width",
            "unknown variant `stretch`",
        ),
    ] {
        let (found, text) = fail(table.clone());
        assert_eq!(found, path, "{table}: {text}");
        assert!(text.starts_with(message), "{table}: {text}");
    }
    assert!(serde_json::from_value::<Loss>(json!("kl")).is_err());
}

#[test]
fn the_place_survives_toml() {
    #[derive(Debug, serde::Deserialize)]
    struct Variant {
        #[allow(dead_code)]
        losses: Vec<Loss>,
    }
    let text = "losses = [{ kind = \"kl\" }, { kind = \"mse\", pairs = [[0, 0], [1]] }]";
    let value: toml::Value = toml::from_str(text).unwrap();
    let error = serde_path_to_error::deserialize::<_, Variant>(value).unwrap_err();
    assert_eq!(error.path().to_string(), "losses[1]");
    let (path, message) = split(error.inner().message());
    assert_eq!(path, "pairs.1");
    assert!(message.starts_with("[1] is no pair"), "{message}");
}

#[test]
fn weights_follow_their_schedule() {
    let at = |weight: Value, epochs: &[u64]| -> Vec<f64> {
        let schedule: Schedule = serde_json::from_value(weight).unwrap();
        epochs.iter().map(|&epoch| schedule.at(epoch)).collect()
    };
    assert_eq!(at(json!(0.3), &[0, 1000]), [0.3, 0.3]);
    let window = json!({ "value": 0.3, "on": 2, "off": 4 });
    assert_eq!(
        at(window, &[0, 1, 2, 3, 4, 99]),
        [0.0, 0.0, 0.3, 0.3, 0.0, 0.0]
    );
    assert_eq!(at(json!({ "value": 0.3, "off": 1 }), &[0, 1]), [0.3, 0.0]);
    assert_eq!(
        at(json!({ "value": 0.3, "on": 1 }), &[0, 1, 99]),
        [0.0, 0.3, 0.3]
    );
    let line = json!({ "from": 0.1, "to": 0.3, "start": 2, "end": 4 });
    assert_eq!(at(line, &[0, 2, 3, 4, 99]), [0.1, 0.1, 0.2, 0.3, 0.3]);
}

#[test]
fn kinds_are_enumerated_with_their_keys() {
    for &kind in Spec::KINDS {
        let keys = Spec::keys(kind).unwrap();
        assert!(
            !keys.iter().any(|key| Loss::KEYS.contains(&key.as_str())),
            "{kind}: {keys:?}"
        );
        let error = fail(json!({ "kind": kind, "no such key": 0 }));
        assert_eq!(error.0, "no such key");
    }
    let distinct: std::collections::BTreeSet<_> = Spec::KINDS.iter().collect();
    assert_eq!(distinct.len(), Spec::KINDS.len());
    assert_eq!(Spec::keys("kl").unwrap(), ["tau", "head"]);
    assert_eq!(Spec::keys("hard").unwrap(), ["head"]);
    assert_eq!(
        Spec::keys("mse").unwrap(),
        ["matched", "pairs", "width", "grid"]
    );
    assert!(Spec::keys("kll").is_none());
}

#[test]
fn pairs_are_filled_in_by_whoever_knows_them() {
    let mut loss = read(json!({ "kind": "mse", "pairs": { "strategy": "cka", "count": 2 } }));
    let chosen = Pairs::Chosen {
        strategy: Strategy::Cka,
        count: 2,
    };
    assert_eq!(loss.pairs(), Some(&chosen));
    *loss.pairs_mut().unwrap() = Pairs::Listed(vec![(0, 1)]);
    assert_eq!(loss.pairs().unwrap().listed().unwrap(), [(0, 1)]);
    assert!(read(json!({ "kind": "kl" })).pairs_mut().is_none());
}
