//! The check holds where it should, and fails where a result is off.

use std::collections::BTreeSet;

use candle_core::{DType, Tensor};
use spectralkd_losses::Spec;
use spectralkd_runtime::{Precision, Runtime};

use super::case::{Case, Tensors};
use super::{Compared, Outcome, cases, losses, run, verdict};
use crate::error::Error;

/// The case of this name on the CPU, with what `spoil` does to its results in f32.
fn spoilt(name: &str, spoil: impl Fn(&mut Tensors) + 'static) -> Compared {
    let found = cases().into_iter().find(|case| case.name == name);
    let case = found.unwrap().changed(move |place, tensors| {
        if place.dtype == DType::F32 {
            spoil(tensors);
        }
    });
    run(&[case], &Runtime::cpu(), &mut |_| ()).remove(0)
}

fn wrong(compared: &Compared) -> Vec<(&str, Outcome)> {
    compared.wrong().collect()
}

#[test]
fn the_kernels_of_the_cpu_hold() {
    let mut lines = 0;
    let all = run(&cases(), &Runtime::cpu(), &mut |_| lines += 1);
    for compared in &all {
        assert!(compared.passed() && compared.error.is_none(), "{compared}");
        assert!(compared.tensors.len() > 1, "{compared}");
    }
    assert_eq!(lines, all.len());
    assert!(
        verdict(&all)
            .unwrap()
            .contains("all 61 comparisons in f32 hold")
    );
    // Another type did compute: the same type would be at a distance of 0. These two move numbers alone.
    let exact = all
        .iter()
        .filter(|c| c.precision == Precision::F32)
        .filter(|c| c.worst().is_none_or(|(_, distance)| distance == 0.0));
    let exact: Vec<_> = exact.map(|compared| &compared.case).collect();
    assert_eq!(exact, ["tokens::to_map", "tokens::merge"]);
}

/// One result of one kernel with the wrong sign, or one gradient of a whole model.
#[test]
fn a_wrong_sign_fails() {
    for (case, tensor) in [
        ("LayerNorm", "grad x"),
        ("rfft2, 14x9", "out y"),
        ("RKD", "out total"),
        ("AdamW, EMA, norm: 10 steps", "average bias"),
        ("CaiT", "grad blocks.1.attn.proj_w.weight"),
        ("Swin to Swin", "after layers.1.downsample.reduction.weight"),
    ] {
        let compared = spoilt(case, move |tensors| {
            let result = tensors.get_mut(tensor).unwrap();
            *result = result.take().map(|x| x.neg().unwrap());
        });
        assert!(!compared.passed(), "{compared}");
        // ||-b - b|| / ||b||.
        match wrong(&compared)[..] {
            [(name, Outcome::Distance(distance))] => {
                assert!((distance - 2.0).abs() < 1e-3, "{distance}");
                assert_eq!(name, tensor);
            }
            ref other => panic!("{case}: {other:?}"),
        }
        assert!(compared.to_string().starts_with("BAD"), "{compared}");
        assert!(verdict(&[compared]).unwrap_err().contains(tensor));
    }
}

#[test]
fn what_is_lost_or_not_finite_or_of_another_shape_fails() {
    let lost = spoilt("Mlp", |tensors| {
        tensors.insert("grad fc1.weight".into(), None);
        tensors.remove("out y");
    });
    assert_eq!(
        wrong(&lost),
        [
            ("grad fc1.weight", Outcome::Missing),
            ("out y", Outcome::Missing)
        ]
    );
    let text = lost.to_string();
    assert!(text.contains("grad fc1.weight is missing"), "{text}");
    let nan = spoilt("Mlp", |tensors| {
        let x = tensors.get_mut("out y").unwrap();
        *x = x.take().map(|x| (x * f64::NAN).unwrap());
    });
    assert_eq!(wrong(&nan), [("out y", Outcome::NotFinite)]);
    let shape = spoilt("Mlp", |tensors| {
        let x = tensors.get_mut("out y").unwrap();
        *x = x.take().map(|x| x.flatten_all().unwrap());
    });
    assert_eq!(wrong(&shape), [("out y", Outcome::OtherShape)]);
    let extra = spoilt("Mlp", |tensors| {
        let x = tensors["out y"].clone();
        tensors.insert("grad another".into(), x);
    });
    assert_eq!(wrong(&extra), [("grad another", Outcome::Missing)]);
}

/// A gradient that neither side has is lost too: some of candle's layers drop them without an error.
#[test]
fn a_gradient_that_is_lost_everywhere_fails() {
    let case = Case::drawn("layer", "cut", |d| {
        let x = d.input("x", &[2, 3])?;
        let kept = d.input("kept", &[2, 3])?;
        d.finish(vec![("y", (x.detach() * kept)?)])
    });
    let compared = run(&[case], &Runtime::cpu(), &mut |_| ()).remove(0);
    assert_eq!(wrong(&compared), [("grad x", Outcome::Missing)]);
}

#[test]
fn what_is_something_where_nothing_should_be_fails() {
    let case = Case::new("layer", "zeros", |place| {
        let x = Tensor::zeros(3, place.dtype, &place.device)?;
        let off = if place.dtype == DType::F32 { 1e-9 } else { 0.0 };
        Ok(Tensors::from([("y".into(), Some((x + off)?))]))
    });
    let compared = run(&[case], &Runtime::cpu(), &mut |_| ()).remove(0);
    assert_eq!(wrong(&compared), [("y", Outcome::NotFinite)]);
}

/// In f32 a computation that is refused fails; in bf16, which has no limit yet, it is reported.
#[test]
fn an_error_fails_in_f32() {
    let case = Case::new("layer", "refused", |_| Err(Error::Empty));
    let compare = |precision| {
        let refused = || Err(Error::Empty);
        Compared::new(&case, precision, &refused(), &refused())
    };
    let (f32, bf16) = (compare(Precision::F32), compare(Precision::Bf16));
    assert!(!f32.passed() && bf16.passed());
    assert!(bf16.to_string().starts_with("note"), "{bf16}");
    assert!(
        verdict(&[bf16])
            .unwrap()
            .contains("1 of them cannot be computed")
    );
    assert!(verdict(&[]).is_err());
}

/// Rows that are rounding alone are left out, and no others.
#[test]
fn only_the_rows_named_are_exempt() {
    let of = |place: &super::Place, last: f64| {
        let off = if place.dtype == DType::F32 { 1.0 } else { 0.0 };
        let rows = Tensor::new(&[1.0, 2.0 + off, 3.0 + last * off], &place.device)?;
        Ok(Tensors::from([("grad bias".into(), Some(rows))]))
    };
    let exempt = |name: &str| (name == "bias").then_some(1..2);
    let hold = Case::new("layer", "x", move |place| of(place, 0.0)).but_for(exempt);
    let fail = Case::new("layer", "x", move |place| of(place, 1.0)).but_for(exempt);
    let all = run(&[hold, fail], &Runtime::cpu(), &mut |_| ());
    assert_eq!(wrong(&all[0]), []);
    let expected = 1.0 / 10f64.sqrt();
    assert_eq!(wrong(&all[2]), [("grad bias", Outcome::Distance(expected))]);
}

#[test]
fn every_kind_of_loss_is_checked() {
    let specs = losses::specs();
    let kinds: BTreeSet<&str> = specs.iter().map(|(_, spec)| spec.kind()).collect();
    assert_eq!(kinds, Spec::KINDS.iter().copied().collect());
}

#[test]
fn no_two_cases_have_one_name() {
    let all = cases();
    let names: BTreeSet<_> = all.iter().map(|case| (case.group, &case.name)).collect();
    assert_eq!(names.len(), all.len());
}

#[test]
fn json_has_every_tensor() {
    let compared = spoilt("Linear", |_| ());
    let json = serde_json::to_value(&compared).unwrap();
    assert_eq!(
        (&json["group"], &json["precision"]),
        (&"layer".into(), &"f32".into())
    );
    let names: Vec<&String> = json["tensors"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["grad bias", "grad weight", "grad x", "out y"]);
    assert!(json["tensors"]["out y"]["distance"].as_f64().unwrap() < 1e-6);
}
