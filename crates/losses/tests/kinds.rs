//! Every kind against PyTorch, finite differences and itself on several threads: the cases of
//! `tests/golden/kinds/`, whatever files lie there (see `case.py` there for what they hold).

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use candle_core::{DType, Tensor};
use common::case::cases;
use spectralkd_losses::{Loss, Spec};
use spectralkd_testing::{assert_close, assert_near, flat, scalar, step_gradient};

#[test]
fn every_kind_has_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kinds");
    let files: BTreeSet<String> = (std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".safetensors").map(str::to_owned))
        .collect();
    let kinds: BTreeSet<String> = Spec::KINDS.iter().map(|&kind| kind.to_owned()).collect();
    assert_eq!(files, kinds);
}

#[test]
fn values_and_gradients_are_torchs() {
    for kind in Spec::KINDS {
        for case in cases(kind) {
            for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 2e-5)] {
                let what = format!("{kind} {} in {dtype:?}", case.name);
                let found = case.run(dtype);
                let terms: BTreeMap<&str, f64> = found.terms();
                assert!(terms.keys().eq(case.terms.keys()), "{what}: {terms:?}");
                for (name, value) in terms {
                    assert_near(
                        value,
                        case.terms[name],
                        tolerance,
                        &format!("{what}, {name}"),
                    );
                }
                assert_near(found.total(), case.total, tolerance, &what);
                let names = |x: &BTreeMap<String, Tensor>| x.keys().cloned().collect::<Vec<_>>();
                assert_eq!(names(&found.gradients), names(&case.gradients), "{what}");
                for (name, expected) in &case.gradients {
                    let what = format!("{what}, gradient of {name}");
                    assert_close(&found.gradients[name], expected, 10.0 * tolerance, &what);
                }
            }
        }
    }
}

#[test]
fn what_is_written_is_read_again() {
    for case in Spec::KINDS.iter().flat_map(|kind| cases(kind)) {
        let text = toml::to_string(&case.loss).unwrap();
        assert_eq!(toml::from_str::<Loss>(&text).unwrap(), case.loss, "{text}");
    }
}

#[test]
fn a_loss_that_needs_a_teacher_says_so() {
    for kind in Spec::KINDS {
        for case in cases(kind) {
            let without = case.without_teacher().try_run(DType::F64);
            let message = without.map_err(|error| error.to_string()).err();
            let refuses = message.is_some_and(|text| text.contains("needs a teacher"));
            assert_eq!(refuses, case.loss.uses_teacher(), "{kind} {}", case.name);
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    for kind in Spec::KINDS {
        for case in cases(kind) {
            let gradients = case.run(DType::F64).gradients;
            for (name, gradient) in gradients {
                let (input, what) = (&case.inputs[&name], format!("{kind} {} {name}", case.name));
                let by_difference = step_gradient(input, |x| case.with(&name, x).total());
                for (backward, difference) in flat(&gradient).into_iter().zip(by_difference) {
                    let error = (backward - difference).abs();
                    assert!(
                        error <= 1e-7 * (1.0 + difference.abs()),
                        "{what}: backward {backward}, central difference {difference}"
                    );
                }
            }
        }
    }
}

/// The loss, built once for all, on two parts of a batch is that on the whole where it says so, and for some case
/// is not where it says that it relates images to each other.
#[test]
fn a_mean_over_images_is_that_of_the_parts_of_a_batch() {
    for kind in Spec::KINDS {
        let (mut means, mut related) = (0, Vec::new());
        for case in cases(kind).into_iter().filter(|case| case.batch() > 1) {
            let built = case.build(DType::F64).unwrap();
            let batch = case.batch();
            let total = |images: Range<usize>| {
                let share = images.len() as f64 / batch as f64;
                Some(share * scalar(&built.sum(&case, images).ok()?.total))
            };
            let whole = total(0..batch).unwrap();
            let parts = total(0..1).zip(total(1..batch)).map(|(a, b)| a + b);
            if built.objectives.is_mean_over_images() {
                means += 1;
                let what = format!("{kind} {}", case.name);
                assert_near(parts.expect(&what), whole, 1e-12, &what);
            } else {
                let apart = parts.is_none_or(|parts| (parts - whole).abs() > 1e-6 * whole.abs());
                related.push(apart);
            }
        }
        assert!(
            means + related.len() > 0,
            "{kind} has no case of two images"
        );
        assert!(
            related.is_empty() || related.contains(&true),
            "{kind} is a mean over images"
        );
    }
}

/// How many copies of a case's batch are enough for several tasks.
fn copies(kind: &str) -> usize {
    match kind {
        // Relations of three images: work and memory grow with the cube of the batch.
        "rkd" => 20,
        _ => 256,
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for kind in Spec::KINDS {
        for case in cases(kind) {
            let case = case.repeated(copies(kind));
            let bits = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.unwrap().install(|| {
                    let found = case.run(DType::F32);
                    let tensors = [&found.sum.total]
                        .into_iter()
                        .chain(found.gradients.values());
                    let bits = tensors.flat_map(flat).map(f64::to_bits);
                    bits.collect::<Vec<_>>()
                })
            };
            let one = bits(1);
            for threads in [2, 7] {
                assert!(bits(threads) == one, "{kind} {} on {threads}", case.name);
            }
        }
    }
}

#[test]
fn half_precision_is_computed_in_f32() {
    for kind in Spec::KINDS {
        for case in cases(kind) {
            let found = case.run(DType::BF16);
            assert_eq!(found.sum.total.dtype(), DType::F32, "{kind} {}", case.name);
            let rounded = case.rounded_to(DType::BF16).run(DType::F32);
            assert_near(found.total(), scalar(&rounded.sum.total), 1e-6, kind);
        }
    }
}
