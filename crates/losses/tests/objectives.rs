//! What a list of losses is once it is built: needs, weights, parameters, and what does not go together.

mod common;

use candle_core::{DType, Device, Tensor, Var};
use common::{assert_near, flat, scalar, tensor};
use serde_json::{Value, json};
use spectralkd_base::random::Stream;
use spectralkd_losses::{
    Error, Head, Inputs, Loss, Objectives, Outputs, Pair, Reduction, Request, Result, Shapes,
    mean_squared_error, spectral_loss,
};
use spectralkd_nn::Params;

fn losses(list: Value) -> Vec<Loss> {
    serde_json::from_value(list).unwrap()
}

/// A distilled student of four channels on a 4x4 grid, and one block on another grid.
fn student() -> Shapes {
    let heads = vec![Head::Mean, Head::Class, Head::Distillation];
    let taps = vec![[4, 4, 4], [4, 4, 4], [6, 2, 2]];
    Shapes {
        classes: 5,
        heads,
        taps,
        prefix: 2,
    }
}

fn teacher() -> Shapes {
    let taps = vec![[8, 4, 4], [4, 4, 4], [4, 2, 2]];
    Shapes {
        classes: 5,
        heads: vec![Head::Mean, Head::Class],
        taps,
        prefix: 1,
    }
}

fn no_ratio(_: &[Pair]) -> Result<f64> {
    panic!("nobody asks for the ratio")
}

fn build(list: Value, params: &Params) -> Result<Objectives> {
    let root = params.builder(&Stream::new(3, "init"), DType::F64, &Device::Cpu);
    Objectives::build(
        &losses(list),
        &student(),
        Some(&teacher()),
        &root,
        &no_ratio,
    )
}

fn map(tap: usize) -> Request {
    Request::Map {
        tap,
        reduction: Reduction::Whole,
    }
}

fn pooled(tap: usize, channels: usize) -> Request {
    Request::Map {
        tap,
        reduction: Reduction::Channels(channels),
    }
}

const LOGITS: Request = Request::Logits(Head::Mean);

/// Outputs of a model of these shapes, whatever is asked for.
fn outputs(seed: u64, shapes: &Shapes, requests: impl IntoIterator<Item = Request>) -> Outputs {
    let answer = |request| {
        let output = match request {
            Request::Logits(_) => tensor(seed, &[3, shapes.classes]),
            Request::Map { tap, reduction } => {
                let [c, h, w] = shapes.taps[tap];
                reduction
                    .apply(&tensor(seed + 1 + tap as u64, &[3, c, h, w]))
                    .unwrap()
            }
            Request::Prefix { .. } => tensor(seed, &[3, shapes.prefix, 4]),
        };
        (request, output)
    };
    requests.into_iter().map(answer).collect()
}

/// Runs objectives in an epoch on made-up outputs, the student's as given.
fn forward(objectives: &Objectives, epoch: u64, ours: &Outputs) -> Result<Vec<(String, f64)>> {
    let theirs = outputs(20, &teacher(), objectives.needs_at(epoch).teacher);
    let labels = Tensor::new(&[0u32, 4, 2], &Device::Cpu).unwrap();
    let draws = Stream::new(0, "step");
    let inputs = Inputs {
        student: ours,
        teacher: &theirs,
        labels: Some(&labels),
        targets: None,
        draws: &draws,
    };
    let sum = objectives.forward(&inputs, epoch)?;
    let mut terms: Vec<(String, f64)> = sum
        .terms
        .iter()
        .map(|(name, value)| (name.clone(), scalar(value)))
        .collect();
    terms.push(("total".to_owned(), scalar(&sum.total)));
    Ok(terms)
}

fn all_student_outputs() -> Outputs {
    let heads = [Head::Mean, Head::Class, Head::Distillation].map(Request::Logits);
    outputs(
        10,
        &student(),
        heads.into_iter().chain([map(0), map(1), map(2)]),
    )
}

#[test]
fn needs_are_what_a_cache_must_keep_and_no_more() {
    let objectives = build(
        json!([
            { "kind": "cross-entropy", "head": "class" },
            { "kind": "kl" },
            { "kind": "spectral", "pairs": [[0, 0], [1, 1], [1, 0]] },
            { "kind": "mse", "pairs": [[2, 1]], "width": "project", "grid": "spectral-resize" },
        ]),
        &Params::new(),
    )
    .unwrap();
    let needs = objectives.needs_at(0);
    let ours = [Request::Logits(Head::Class), LOGITS, map(0), map(1), map(2)];
    assert_eq!(needs.student, ours.into());
    // Of equal widths the map itself: no second copy for losses that want it whole.
    assert_eq!(needs.teacher, [LOGITS, map(1), pooled(0, 4)].into());
    assert!(objectives.is_mean_over_images());
}

#[test]
fn maps_pooled_on_the_teachers_grid_are_resized_in_the_loss() {
    let pairs = json!([[2, 0]]);
    let kind = json!({ "kind": "spectral", "grid": "spectral-resize", "pairs": pairs });
    let objectives = build(json!([kind]), &Params::new()).unwrap();
    assert_eq!(objectives.needs_at(0).teacher, [pooled(0, 6)].into());
    let ours = all_student_outputs();
    let value = forward(&objectives, 0, &ours).unwrap()[0].1;
    // Pooling after resizing is the same.
    let theirs = outputs(20, &teacher(), [map(0)]);
    let resized = spectralkd_spectral::resize(theirs.get(&map(0)).unwrap(), [2, 2]).unwrap();
    let expected = spectral_loss(ours.get(&map(2)).unwrap(), &resized).unwrap();
    assert_near(value, scalar(&expected), 1e-13, "pooled, then resized");
}

#[test]
fn terms_come_unweighted_and_the_total_weighs_them() {
    let list = json!([
        { "kind": "cross-entropy", "weight": 0.5 },
        { "kind": "kl", "name": "teacher", "weight": { "value": 2.0, "on": 2, "off": 4 } },
        { "kind": "spectral", "pairs": [[0, 0]],
          "weight": { "from": 1.0, "to": 0.0, "start": 1, "end": 5 } },
    ]);
    let objectives = build(list, &Params::new()).unwrap();
    let ours = all_student_outputs();
    for (epoch, names, weights) in [
        (0, vec!["cross-entropy", "spectral"], vec![0.5, 1.0]),
        (
            2,
            vec!["cross-entropy", "teacher", "spectral"],
            vec![0.5, 2.0, 0.75],
        ),
        (4, vec!["cross-entropy", "spectral"], vec![0.5, 0.25]),
        (9, vec!["cross-entropy"], vec![0.5]),
    ] {
        let terms = forward(&objectives, epoch, &ours).unwrap();
        let (total, terms) = terms.split_last().unwrap();
        assert!(
            terms.iter().map(|(name, _)| name).eq(&names),
            "epoch {epoch}: {terms:?}"
        );
        let sum: f64 = terms
            .iter()
            .zip(&weights)
            .map(|((_, value), weight)| value * weight)
            .sum();
        assert_near(total.1, sum, 1e-14, "total");
        assert_eq!(
            objectives.needs_at(epoch).teacher.contains(&LOGITS),
            epoch == 2
        );
    }
    let off = json!([{ "kind": "kl", "weight": { "value": 1.0, "on": 3 } }]);
    let off = build(off, &Params::new()).unwrap();
    let error = forward(&off, 2, &ours).unwrap_err();
    assert!(
        matches!(error, Error::NothingToLearn { epoch: 2 }),
        "{error}"
    );
}

#[test]
fn several_pairs_weigh_alike_whatever_their_size() {
    let list = json!([
        { "kind": "spectral", "pairs": [[0, 0], [0, 1]] },
        { "kind": "mse", "pairs": [[0, 0], [0, 1]] },
    ]);
    let objectives = build(list, &Params::new()).unwrap();
    let ours = all_student_outputs();
    let terms = forward(&objectives, 0, &ours).unwrap();
    let theirs = outputs(20, &teacher(), [map(0), map(1)]);
    for (i, loss) in [spectral_loss, mean_squared_error].into_iter().enumerate() {
        let of = |tap| {
            let (ours, theirs) = (ours.get(&map(0)).unwrap(), theirs.get(&map(tap)).unwrap());
            scalar(&loss(ours, theirs).unwrap())
        };
        assert_near(terms[i].1, (of(0) + of(1)) / 2.0, 1e-14, &terms[i].0);
    }
}

#[test]
fn a_projector_lies_at_the_losses_path_and_learns() {
    let list = json!([
        { "kind": "mse", "name": "hint", "width": "project", "pairs": [[0, 0], [1, 1]],
          "weight": { "value": 1.0, "on": 1 } },
        { "kind": "cross-entropy" },
    ]);
    let params = Params::new();
    let objectives = build(list.clone(), &params).unwrap();
    let vars = params.vars();
    let names = [
        "losses.hint.projectors.0.bias",
        "losses.hint.projectors.0.weight",
        "losses.hint.projectors.1.bias",
        "losses.hint.projectors.1.weight",
    ];
    assert!(vars.keys().eq(names.iter()));
    assert_eq!(objectives.inactive(0), names);
    assert!(objectives.inactive(1).is_empty());

    // torch's Linear: uniform in ±1/√4, weights and bias; of the seed and the name alone.
    let weight = flat(&vars[names[1]]);
    assert_eq!(vars[names[1]].dims(), [8, 4]);
    assert!(weight.iter().all(|w| w.abs() <= 0.5) && weight.iter().any(|w| w.abs() > 0.4));
    let again = Params::new();
    build(list, &again).unwrap();
    assert_eq!(flat(&again.vars()[names[1]]), weight);

    let ours = all_student_outputs();
    let theirs = outputs(20, &teacher(), objectives.needs_at(1).teacher);
    let labels = Tensor::new(&[0u32, 4, 2], &Device::Cpu).unwrap();
    let draws = Stream::new(0, "step");
    let (student, teacher) = (&ours, &theirs);
    let inputs = Inputs {
        student,
        teacher,
        labels: Some(&labels),
        targets: None,
        draws: &draws,
    };
    let gradients = |epoch| {
        let total = objectives.forward(&inputs, epoch).unwrap().total;
        let store = total.backward().unwrap();
        vars.values()
            .filter_map(|var: &Var| store.get(var).map(flat))
            .collect::<Vec<_>>()
    };
    assert!(gradients(0).is_empty());
    let on = gradients(1);
    assert_eq!(on.len(), 4);
    assert!(
        on.iter()
            .all(|g| g.iter().all(|x| x.is_finite()) && g.iter().any(|x| *x != 0.0))
    );
}

#[test]
fn the_matched_weight_is_measured_on_what_the_student_is_compared_with() {
    let list = json!([{ "kind": "mse", "matched": true, "weight": 3.0, "pairs": [[0, 0]] }]);
    let params = Params::new();
    let root = params.builder(&Stream::new(3, "init"), DType::F64, &Device::Cpu);
    let ratio = |pairs: &[Pair]| {
        let pair = Pair {
            student: 0,
            teacher: 0,
            reduction: Reduction::Channels(4),
            grid: [4, 4],
        };
        assert_eq!(pairs, [pair]);
        Ok(0.625)
    };
    let built = Objectives::build(&losses(list), &student(), Some(&teacher()), &root, &ratio);
    let terms = forward(&built.unwrap(), 0, &all_student_outputs()).unwrap();
    assert_near(terms[1].1, 3.0 * 0.625 * terms[0].1, 1e-14, "total");
}

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
