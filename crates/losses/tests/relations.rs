//! What the losses on relations do not see: rotations of the channels, lengths of tokens, the order of
//! images; the scale and place of a batch; constants on logits.

mod common;

use candle_core::{DType, Device, Tensor, Var};
use common::{golden, models};
use proptest::prelude::*;
use serde_json::json;
use spectralkd_base::random::Stream;
use spectralkd_losses::kinds::dist::correlation_losses;
use spectralkd_losses::kinds::manifold::relation_errors;
use spectralkd_losses::kinds::rkd::structure_losses;
use spectralkd_losses::{
    Inputs, Loss, Objectives, Outputs, Reduction, Request, Shapes, soft_distillation,
};
use spectralkd_nn::Params;
use spectralkd_testing::{assert_close, assert_near, flat, scalar, tensor, value_and_gradient};

/// Every token of `2 x 6`.
const ALL: [u32; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

fn errors(student: &Tensor, teacher: &Tensor, drawn: &[u32]) -> [f64; 3] {
    relation_errors(student, teacher, drawn)
        .unwrap()
        .map(|x| scalar(&x))
}

fn structures(student: &Tensor, teacher: &Tensor) -> [f64; 2] {
    structure_losses(student, teacher)
        .unwrap()
        .map(|x| scalar(&x))
}

/// The channels of `[B, C, H, W]` reflected in a hyperplane.
fn reflected(map: &Tensor, seed: u64) -> Tensor {
    let (b, c, h, w) = map.dims4().unwrap();
    let normal = tensor(seed, &[c, 1]);
    let square = scalar(&normal.sqr().unwrap().sum_all().unwrap());
    let part = normal.matmul(&normal.t().unwrap()).unwrap();
    let part = (part * (2.0 / square)).unwrap();
    let mirror = (Tensor::eye(c, DType::F64, &Device::Cpu).unwrap() - part).unwrap();
    let flat = map
        .permute((0, 2, 3, 1))
        .unwrap()
        .reshape((b * h * w, c))
        .unwrap();
    let flat = flat.matmul(&mirror).unwrap().reshape((b, h, w, c)).unwrap();
    flat.permute((0, 3, 1, 2)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cosines_know_no_rotation_no_length_and_no_order(seed: u64, channels in 1usize..6) {
        let (student, teacher) = (tensor(seed, &[2, 3, 2, 3]), tensor(seed ^ 1, &[2, channels, 2, 3]));
        let expected = errors(&student, &teacher, &ALL);
        let lengths = (tensor(seed ^ 2, &[2, 1, 2, 3]).abs().unwrap() + 0.1).unwrap();
        let order = Tensor::new(&[1u32, 0], &Device::Cpu).unwrap();
        let swapped = |x: &Tensor| x.index_select(&order, 0).unwrap();
        let silent = tensor(seed, &[2, 2, 2, 3]).zeros_like().unwrap();
        for (what, student, teacher) in [
            ("rotation", reflected(&student, seed ^ 3), reflected(&teacher, seed ^ 4)),
            ("lengths", student.broadcast_mul(&lengths).unwrap(), teacher.clone()),
            ("silent channels", Tensor::cat(&[&student, &silent], 1).unwrap(), teacher.clone()),
            ("order of images", swapped(&student), swapped(&teacher)),
        ] {
            let found = errors(&student, &teacher, &ALL);
            for (found, expected) in found.into_iter().zip(expected) {
                assert_near(found, expected, 1e-9, what);
            }
        }
        let rotated = errors(&student, &reflected(&student, seed ^ 3), &ALL);
        prop_assert!(rotated.iter().all(|error| error.abs() < 1e-28), "{rotated:?}");
    }

    #[test]
    fn structures_know_no_rotation_no_scale_no_place_and_no_order(
        seed: u64,
        channels in 2usize..6,
        scale in 0.1..10.0f64,
    ) {
        let (student, teacher) = (tensor(seed, &[5, 3, 2, 3]), tensor(seed ^ 1, &[5, channels, 4, 1]));
        let expected = structures(&student, &teacher);
        let place = tensor(seed ^ 2, &[1, 3, 1, 1]);
        let order = Tensor::new(&[3u32, 1, 4, 0, 2], &Device::Cpu).unwrap();
        let shuffled = |x: &Tensor| x.index_select(&order, 0).unwrap();
        let silent = tensor(seed, &[5, 2, 2, 3]).zeros_like().unwrap();
        let moved = |x: &Tensor| (reflected(x, seed ^ 3) * scale).unwrap().broadcast_add(&place).unwrap();
        for (what, student, teacher) in [
            ("rotation", reflected(&student, seed ^ 3), reflected(&teacher, seed ^ 4)),
            ("scale", (&student * scale).unwrap(), (&teacher / scale).unwrap()),
            ("place", student.broadcast_add(&place).unwrap(), teacher.clone()),
            ("silent channels", Tensor::cat(&[&student, &silent], 1).unwrap(), teacher.clone()),
            ("order of images", shuffled(&student), shuffled(&teacher)),
            ("positions", student.transpose(2, 3).unwrap(), teacher.mean_keepdim(2).unwrap()),
        ] {
            for (found, expected) in structures(&student, &teacher).into_iter().zip(expected) {
                assert_near(found, expected, 1e-9, what);
            }
        }
        let same = structures(&student, &moved(&student));
        prop_assert!(same.iter().all(|loss| loss.abs() < 1e-20), "{same:?}");
    }

    #[test]
    fn correlations_know_no_constant_and_no_order(seed: u64, tau in 0.5..4.0f64) {
        let (student, teacher) = (tensor(seed, &[4, 6]), tensor(seed ^ 1, &[4, 6]));
        let losses = |s: &Tensor, t: &Tensor| correlation_losses(s, t, tau).unwrap().map(|x| scalar(&x));
        let expected = losses(&student, &teacher);
        prop_assert!(expected.iter().all(|x| (0.0..=2.0 * tau * tau).contains(x)), "{expected:?}");
        let constant = tensor(seed ^ 2, &[4, 1]);
        let order = |n: u32| Tensor::from_vec((0..n).rev().collect(), n as usize, &Device::Cpu).unwrap();
        let shuffled = |x: &Tensor| {
            x.index_select(&order(4), 0).unwrap().index_select(&order(6), 1).unwrap()
        };
        for (what, student, teacher) in [
            ("constant", student.broadcast_add(&constant).unwrap(), teacher.clone()),
            ("order", shuffled(&student), shuffled(&teacher)),
        ] {
            for (found, expected) in losses(&student, &teacher).into_iter().zip(expected) {
                assert_near(found, expected, 1e-10, what);
            }
        }
        // Nothing is left but the epsilon beside lengths of at least 1e-3.
        let equal = losses(&teacher, &teacher.broadcast_add(&constant).unwrap());
        prop_assert!(equal.iter().all(|x| x.abs() < 0.01 * tau * tau), "{equal:?}");
    }
}

#[test]
fn drawn_tokens_are_related_as_torch_relates_them() {
    let golden = golden("manifold_tokens");
    let drawn: Vec<u32> = flat(&golden["tokens"])
        .into_iter()
        .map(|token| token as u32)
        .collect();
    let (student, teacher) = (&golden["student"], &golden["teacher"]);
    for (found, expected) in errors(student, teacher, &drawn)
        .into_iter()
        .zip(flat(&golden["terms"]))
    {
        assert_near(found, expected, 1e-13, "terms");
    }
    let gradient = value_and_gradient(student, |x| {
        let [_, _, random] = relation_errors(x, teacher, &drawn)?;
        Ok::<_, spectralkd_losses::Error>(random)
    });
    assert_close(&gradient.1, &golden["grad"], 1e-13, "gradient");
}

#[test]
fn a_token_of_zeros_is_like_no_other() {
    let values: Vec<f64> = flat(&tensor(1, &[1, 2, 1, 3]));
    let student = Tensor::from_vec(
        vec![0.0, values[1], values[2], 0.0, values[4], values[5]],
        (1, 2, 1, 3),
        &Device::Cpu,
    );
    let student = student.unwrap();
    let (value, gradient) = value_and_gradient(&student, |x| {
        let [patch, ..] = relation_errors(x, &tensor(2, &[1, 2, 1, 3]), &[0])?;
        Ok::<_, spectralkd_losses::Error>(patch)
    });
    assert!(value.is_finite() && flat(&gradient).iter().all(|slope| slope.is_finite()));
}

#[test]
fn one_image_has_no_relations() {
    let (value, gradient) = value_and_gradient(&tensor(1, &[1, 3, 2, 2]), |x| {
        let [distance, angle] = structure_losses(x, &tensor(2, &[1, 5, 2, 2]))?;
        Ok::<_, spectralkd_losses::Error>((distance + angle)?)
    });
    assert_eq!(value, 0.0);
    assert!(flat(&gradient).iter().all(|&slope| slope == 0.0));
}

/// What both models see twice has a distance of 1e-6, no angle, and nothing to learn from that.
#[test]
fn an_image_that_comes_twice_is_no_trouble() {
    for dtype in [DType::F64, DType::F32] {
        let twice = |x: Tensor| {
            let x = x.to_dtype(dtype).unwrap();
            Tensor::cat(&[&x, &x], 0).unwrap()
        };
        let teacher = twice(tensor(2, &[3, 5, 2, 2]));
        let (value, gradient) = value_and_gradient(&twice(tensor(1, &[3, 3, 2, 2])), |x| {
            let [distance, angle] = structure_losses(x, &teacher)?;
            Ok::<_, spectralkd_losses::Error>((distance + angle)?)
        });
        assert!(value > 0.0 && value < 1.0, "{value}");
        let slopes = flat(&gradient);
        assert!(slopes.iter().all(|slope| slope.abs() < 1.0), "{slopes:?}");
        for (first, second) in slopes[..36].iter().zip(&slopes[36..]) {
            assert!((first - second).abs() < 1e-6, "{first} against {second}");
        }
    }
}

#[test]
fn a_teacher_learns_nothing_from_structures() {
    let [student, teacher] = [1, 2].map(|i| Var::from_tensor(&tensor(i, &[4, 3, 2, 2])).unwrap());
    for loss in structure_losses(&student, &teacher).unwrap() {
        let gradients = loss.backward().unwrap();
        assert!(gradients.get(&student).is_some() && gradients.get(&teacher).is_none());
    }
}

#[test]
fn structures_need_neither_one_width_nor_one_grid() {
    let list = json!([{ "kind": "rkd", "pairs": [[0, 0], [2, 0], [0, 2]] }]);
    let objectives = models::build(list, &Params::new()).unwrap();
    assert!(!objectives.is_mean_over_images());
    assert_eq!(objectives.relating_images(), ["rkd"]);
}

#[test]
fn the_batches_must_be_the_same() {
    let error = structure_losses(&tensor(1, &[2, 3, 2, 2]), &tensor(2, &[3, 3, 2, 2])).unwrap_err();
    assert!(error.to_string().contains("batch"), "{error}");
}

#[test]
fn tokens_are_drawn_by_the_step_the_loss_and_the_pair() {
    let shapes = |channels| Shapes {
        taps: vec![[channels, 2, 3]; 2],
        ..Shapes::default()
    };
    let list = json!([{ "kind": "manifold", "tokens": 5, "pairs": [[0, 1], [1, 0]] }]);
    let losses: Vec<Loss> = serde_json::from_value(list).unwrap();
    let root = Params::new().builder(&Stream::new(0, "init"), DType::F64, &Device::Cpu);
    let objectives = Objectives::build(
        &losses,
        &shapes(3),
        Some(&shapes(4)),
        &root,
        &|_: &[_]| Ok(1.0),
    )
    .unwrap();
    assert!(!objectives.is_mean_over_images());
    let maps = |seed, channels| {
        let map = |tap| tensor(seed + tap as u64, &[2, channels, 2, 3]);
        let whole = |tap| Request::Map {
            tap,
            reduction: Reduction::Whole,
        };
        [0, 1].map(|tap| (whole(tap), map(tap)))
    };
    let (ours, theirs) = (maps(1, 3), maps(5, 4));
    let outputs = |maps: &[(Request, Tensor); 2]| -> Outputs { maps.iter().cloned().collect() };
    let random = |step: &Stream| {
        let (student, teacher) = (&outputs(&ours), &outputs(&theirs));
        let inputs = Inputs {
            student,
            teacher,
            labels: None,
            targets: None,
            draws: step,
        };
        let terms = objectives.forward(&inputs, 0).unwrap().terms;
        assert!(terms.iter().map(|(name, _)| name).eq([
            "manifold.patch",
            "manifold.sample",
            "manifold.random"
        ]));
        scalar(&terms[2].1)
    };
    let step = Stream::new(7, "losses").at(3);
    let by_hand = [(0, 1), (1, 0)].iter().enumerate().map(|(i, &(s, t))| {
        let drawn = step.named("manifold").at(i as u64).permutation(12);
        errors(&ours[s].1, &theirs[t].1, &drawn[..5])[2]
    });
    assert_near(
        random(&step),
        by_hand.sum::<f64>() / 2.0,
        1e-14,
        "drawn tokens",
    );
    assert_ne!(random(&step), random(&Stream::new(7, "losses").at(4)));
}

#[test]
fn soft_distillation_knows_no_constant() {
    let (student, teacher) = (tensor(1, &[4, 6]), tensor(2, &[4, 6]));
    let shifted = student.broadcast_add(&tensor(3, &[4, 1])).unwrap();
    let of = |x: &Tensor| scalar(&soft_distillation(x, &teacher, 2.0).unwrap());
    assert_near(of(&shifted), of(&student), 1e-12, "constant");
}
