//! What a list of losses is once it is built: needs, terms, weights, parameters.

mod common;

use candle_core::{DType, Device, Tensor, Var};
use common::models::*;
use serde_json::json;
use spectralkd_base::random::Stream;
use spectralkd_losses::{
    Error, Head, Inputs, Objectives, Pair, Reduction, Request, mean_squared_error, spectral_loss,
};
use spectralkd_nn::Params;
use spectralkd_testing::{assert_near, flat, scalar, tensor};

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
fn the_target_of_a_pair_is_a_constant() {
    for grid in [[4, 4], [2, 3]] {
        let pair = Pair {
            student: 0,
            teacher: 0,
            reduction: Reduction::Whole,
            grid,
        };
        let theirs = Var::from_tensor(&tensor(1, &[2, 3, 4, 4])).unwrap();
        let outputs = [(map(0), theirs.as_tensor().clone())].into_iter().collect();
        let target = pair.target(&outputs).unwrap();
        assert_eq!(target.dims()[2..], grid);
        assert!(!target.track_op());
    }
}
