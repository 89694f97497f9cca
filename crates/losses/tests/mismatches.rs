//! Losses that do not go with the models, with each other, or with what was computed.

mod common;

use candle_core::{DType, Device};
use common::models::*;
use serde_json::{Value, json};
use spectralkd_base::random::Stream;
use spectralkd_losses::{Error, Head, Objectives, Shapes};
use spectralkd_nn::Params;

#[test]
fn what_does_not_go_with_the_models_is_named_by_its_key() {
    let wrong = |loss: Value| -> (String, String) {
        match build(json!([loss]), &Params::new()).unwrap_err() {
            Error::Loss {
                index: 0, source, ..
            } => match *source {
                Error::Wrong(wrong) => (wrong.key, wrong.rule),
                other => panic!("{other}"),
            },
            other => panic!("{other}"),
        }
    };
    for (loss, key, part) in [
        (
            json!({ "kind": "spectral", "pairs": [[0, 0], [3, 0]] }),
            "pairs.1",
            "the student has 3 blocks",
        ),
        (
            json!({ "kind": "spectral", "pairs": [[0, 9]] }),
            "pairs.0",
            "the teacher has 3 blocks",
        ),
        (
            json!({ "kind": "spectral", "pairs": [[2, 0]] }),
            "pairs.0",
            "2x2, the teacher's 4x4",
        ),
        (
            json!({ "kind": "mse", "pairs": [[2, 2]] }),
            "pairs.0",
            "width = \"project\"",
        ),
        (json!({ "kind": "mse" }), "pairs", "give the pairs"),
        (
            json!({ "kind": "mse", "pairs": { "strategy": "cka", "count": 2 } }),
            "pairs",
            "2 pairs are still to be chosen by the strategy `cka`",
        ),
    ] {
        let found = wrong(loss.clone());
        assert_eq!(found.0, key, "{loss}: {}", found.1);
        assert!(found.1.contains(part), "{loss}: {}", found.1);
    }
}

#[test]
fn heads_and_classes_must_be_there() {
    let root = Params::new().builder(&Stream::new(3, "init"), DType::F64, &Device::Cpu);
    let message = |list: Value, student: &Shapes, teacher: &Shapes| {
        let built = Objectives::build(&losses(list), student, Some(teacher), &root, &no_ratio);
        built.unwrap_err().to_string()
    };
    let plain = Shapes {
        heads: vec![Head::Mean, Head::Class],
        ..student()
    };
    for kind in ["cross-entropy", "kl", "hard"] {
        let list = json!([{ "kind": kind, "head": "distillation" }]);
        let error = message(list, &plain, &teacher());
        let expected = format!(
            "loss 0 (`{kind}`): `head`: the student has no head `distillation`, only mean, class"
        );
        assert!(error.starts_with(&expected), "{error}");
    }
    let others = Shapes {
        classes: 10,
        ..teacher()
    };
    for kind in ["kl", "hard"] {
        let error = message(json!([{ "kind": kind }]), &student(), &others);
        assert!(error.contains("5 classes and the teacher 10"), "{error}");
    }
}

#[test]
fn names_are_unique_and_plain() {
    let params = Params::new();
    let twice = json!([{ "kind": "kl" }, { "kind": "hard" }, { "kind": "kl", "tau": 2.0 }]);
    let error = build(twice, &params).unwrap_err().to_string();
    assert!(
        error.starts_with("loss 2 (`kl`): `name`: the name `kl` is taken by loss 0"),
        "{error}"
    );
    let named = json!([{ "kind": "kl" }, { "kind": "kl", "name": "kl-2", "tau": 2.0 }]);
    assert!(build(named, &params).is_ok());
}

#[test]
fn a_missing_output_is_named() {
    let objectives = build(
        json!([{ "kind": "spectral", "pairs": [[0, 0]] }]),
        &Params::new(),
    );
    let ours = outputs(10, &student(), [LOGITS, map(1)]);
    let error = forward(&objectives.unwrap(), 0, &ours)
        .unwrap_err()
        .to_string();
    let expected = "loss 0 (`spectral`): feature pair 0: the map of block 0 was not computed; \
                    there are: the logits (mean), the map of block 1";
    assert_eq!(error, expected);
}
