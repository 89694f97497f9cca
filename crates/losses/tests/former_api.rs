//! The API before objectives: kept until nothing uses it.

mod common;

use std::collections::BTreeSet;

use candle_core::{DType, Device, Tensor, Var};
use common::{assert_near, flat, scalar, tensor};
use spectralkd_base::random::Stream;
use spectralkd_losses::kinds::{CrossEntropy, Kl, Spectral};
use spectralkd_losses::{
    DistillationLoss, Error, FeatureLoss, Head, Inputs, Logits, Loss, Objectives, Outputs, Pairs,
    Request, Shapes, SpectralForm, cross_entropy, hard_distillation, soft_distillation,
};
use spectralkd_nn::Params;

fn labels(values: &[u32]) -> Tensor {
    Tensor::new(values, &Device::Cpu).unwrap()
}

fn settings(logits: Logits) -> DistillationLoss {
    DistillationLoss {
        logits,
        alpha: 0.9,
        tau: 2.0,
        smoothing: 0.1,
        beta: 0.5,
        feature: Some((FeatureLoss::Spectral(SpectralForm::Parseval), 0.2)),
    }
}

#[test]
fn the_parts_come_unweighted_and_add_up() {
    let (logits, teacher, targets) = (tensor(1, &[2, 4]), tensor(2, &[2, 4]), labels(&[0, 3]));
    let pairs = [(tensor(3, &[2, 3, 4, 4]), tensor(4, &[2, 6, 4, 4]))];
    let ce = scalar(&cross_entropy(&logits, &targets, 0.1).unwrap());
    let soft = scalar(&soft_distillation(&logits, &teacher, 2.0).unwrap());
    let hard = scalar(&hard_distillation(&logits, &teacher).unwrap());
    let form = FeatureLoss::Spectral(SpectralForm::Fft);
    let feature = scalar(&form.pairs(&pairs).unwrap());
    let expected = [
        (Logits::None, vec![("ce", ce)], ce),
        (
            Logits::FeaturesOnly,
            vec![("ce", ce), ("feature", feature)],
            0.1 * ce + 0.1 * feature,
        ),
        (
            Logits::Soft,
            vec![("ce", ce), ("kd", soft), ("feature", feature)],
            0.1 * ce + 0.9 * soft + 0.1 * feature,
        ),
        (
            Logits::Hard,
            vec![("ce", ce), ("kd", hard), ("feature", feature)],
            0.1 * ce + 0.9 * hard + 0.1 * feature,
        ),
    ];
    for (kind, parts, total) in expected {
        let loss = settings(kind)
            .forward(&logits, &targets, Some(&teacher), &pairs)
            .unwrap();
        assert_near(scalar(&loss.total), total, 1e-12, "total");
        assert_eq!(loss.parts.len(), parts.len(), "{kind:?}");
        for ((name, value), (expected_name, expected)) in loss.parts.iter().zip(parts) {
            assert_eq!(*name, expected_name);
            assert_near(scalar(value), expected, 1e-12, name);
        }
    }
    let logits_only = DistillationLoss {
        feature: None,
        ..settings(Logits::Soft)
    };
    let loss = logits_only
        .forward(&logits, &targets, Some(&teacher), &[])
        .unwrap();
    assert_near(
        scalar(&loss.total),
        0.1 * ce + 0.9 * soft,
        1e-12,
        "logits only",
    );
    let plain = DistillationLoss::cross_entropy(0.1)
        .forward(&logits, &targets, None, &[])
        .unwrap();
    assert_near(scalar(&plain.total), ce, 1e-14, "plain");
}

#[test]
fn bad_settings_are_errors_that_name_them() {
    let message = |loss: DistillationLoss| loss.validate().unwrap_err().to_string();
    let soft = || settings(Logits::Soft);
    let mse = FeatureLoss::Mse;
    assert!(
        message(DistillationLoss {
            alpha: 1.5,
            ..soft()
        })
        .contains("alpha = 1.5")
    );
    assert!(message(DistillationLoss { tau: 0.0, ..soft() }).contains("`tau`: must be"));
    assert!(
        message(DistillationLoss {
            smoothing: 1.0,
            ..soft()
        })
        .contains("`smoothing`: must be")
    );
    assert!(
        message(DistillationLoss {
            beta: -1.0,
            ..soft()
        })
        .contains("beta = -1")
    );
    assert!(
        message(DistillationLoss {
            feature: Some((mse, f64::NAN)),
            ..soft()
        })
        .contains("weight = NaN")
    );
    let without = DistillationLoss {
        feature: None,
        ..settings(Logits::FeaturesOnly)
    };
    assert!(matches!(without.validate(), Err(Error::NoFeatureLoss)));

    let (logits, targets) = (tensor(1, &[2, 4]), labels(&[0, 3]));
    for (kind, name) in [(Logits::Soft, "soft"), (Logits::Hard, "hard")] {
        let error = settings(kind)
            .forward(&logits, &targets, None, &[])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(name), "{error}");
    }
    let no_pairs = settings(Logits::FeaturesOnly).forward(&logits, &targets, None, &[]);
    assert!(matches!(no_pairs, Err(Error::NoPairs)));
    let bad = DistillationLoss {
        alpha: -0.1,
        ..settings(Logits::None)
    };
    assert!(bad.forward(&logits, &targets, None, &[]).is_err());
}

#[test]
fn settings_survive_json_and_reject_unknown_names() {
    for kind in [
        Logits::None,
        Logits::FeaturesOnly,
        Logits::Soft,
        Logits::Hard,
    ] {
        let text = serde_json::to_string(&settings(kind)).unwrap();
        assert_eq!(
            serde_json::from_str::<DistillationLoss>(&text).unwrap(),
            settings(kind)
        );
        let misspelt = text.replace("alpha", "alhpa");
        assert!(serde_json::from_str::<DistillationLoss>(&misspelt).is_err());
    }
    assert_eq!(
        serde_json::to_string(&Logits::FeaturesOnly).unwrap(),
        r#""features-only""#
    );
}

/// One batch of a student of two blocks and its teacher, in f32.
fn batch() -> (Tensor, Tensor, Tensor, Vec<(Tensor, Tensor)>) {
    let single = |x: Tensor| x.to_dtype(DType::F32).unwrap();
    let pairs = [
        (5, [2, 3, 6, 5], [2, 7, 6, 5]),
        (7, [2, 4, 3, 3], [2, 4, 3, 3]),
    ];
    let pairs = pairs.map(|(seed, ours, theirs)| {
        (
            single(tensor(seed, &ours)),
            single(tensor(seed + 1, &theirs)),
        )
    });
    let (logits, teacher) = (single(tensor(1, &[2, 4])), single(tensor(2, &[2, 4])));
    (logits, teacher, labels(&[0, 3]), pairs.to_vec())
}

#[test]
fn objectives_give_what_it_gave() {
    let (logits, teacher, targets, pairs) = batch();
    let old = DistillationLoss {
        logits: Logits::Soft,
        alpha: 0.9,
        tau: 2.0,
        smoothing: 0.1,
        beta: 1.0,
        feature: Some((FeatureLoss::Spectral(SpectralForm::Parseval), 0.2)),
    };
    let student = Var::from_tensor(&pairs[0].0).unwrap();
    let tracked = [
        (student.as_tensor().clone(), pairs[0].1.clone()),
        pairs[1].clone(),
    ];
    let old = old
        .forward(&logits, &targets, Some(&teacher), &tracked)
        .unwrap();

    let listed = Pairs::Listed(vec![(0, 0), (1, 1)]);
    let losses = [
        Loss::new(CrossEntropy::default(), 1.0 - 0.9),
        Loss::new(
            Kl {
                tau: 2.0,
                ..Kl::default()
            },
            0.9,
        ),
        Loss::new(
            Spectral {
                pairs: listed,
                ..Spectral::default()
            },
            0.2,
        ),
    ];
    let shapes = |of: fn(&(Tensor, Tensor)) -> &Tensor| {
        let tap = |pair| <[usize; 3]>::try_from(&of(pair).dims()[1..]).unwrap();
        let taps = pairs.iter().map(tap).collect();
        Shapes {
            classes: 4,
            heads: vec![Head::Mean],
            taps,
            prefix: 0,
        }
    };
    let (ours, theirs) = (shapes(|pair| &pair.0), shapes(|pair| &pair.1));
    let params = Params::new();
    let root = params.builder(&Stream::new(0, "init"), DType::F32, &Device::Cpu);
    let objectives =
        Objectives::build(&losses, &ours, Some(&theirs), &root, &|_: &[_]| Ok(1.0)).unwrap();
    let again = Var::from_tensor(&pairs[0].0).unwrap();
    let outputs = |logits: &Tensor, requests: &BTreeSet<Request>, maps: [&Tensor; 2]| -> Outputs {
        let answer = |&request: &Request| match request {
            Request::Map { tap, reduction } => (request, reduction.apply(maps[tap]).unwrap()),
            _ => (request, logits.clone()),
        };
        requests.iter().map(answer).collect()
    };
    let needs = objectives.needs_at(0);
    let inputs = Inputs {
        student: &outputs(&logits, &needs.student, [&again, &pairs[1].0]),
        teacher: &outputs(&teacher, &needs.teacher, [&pairs[0].1, &pairs[1].1]),
        labels: Some(&targets),
        targets: None,
        draws: &Stream::new(0, "step"),
    };
    let new = objectives.forward(&inputs, 0).unwrap();

    let bits = |x: &Tensor| flat(x).into_iter().map(f64::to_bits).collect::<Vec<_>>();
    for ((name, old), (new_name, new)) in old.parts.iter().zip(&new.terms) {
        assert_eq!(bits(old), bits(new), "{name} and {new_name}");
    }
    assert_near(scalar(&new.total), scalar(&old.total), 1e-6, "total");
    let slope = |total: &Tensor, var: &Var| total.backward().unwrap().get(var).unwrap().clone();
    let (new, old) = (slope(&new.total, &again), slope(&old.total, &student));
    assert_eq!(bits(&new), bits(&old), "gradient of the spectral loss");
}
