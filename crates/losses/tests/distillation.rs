//! Properties of the logit losses and of the whole.

mod common;

use candle_core::{DType, Device, Tensor, Var};
use common::{assert_gradient, assert_near, scalar, tensor};
use spectralkd_losses::{
    DistillationLoss, Error, FeatureLoss, Logits, SpectralForm, cross_entropy, hard_distillation,
    soft_distillation,
};

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
fn gradients_agree_with_finite_differences() {
    let (student, teacher, targets) = (tensor(1, &[3, 4]), tensor(2, &[3, 4]), labels(&[0, 3, 1]));
    for smoothing in [0.0, 0.1] {
        assert_gradient(&student, |x| cross_entropy(x, &targets, smoothing));
    }
    for tau in [0.5, 1.0, 4.0] {
        assert_gradient(&student, |x| soft_distillation(x, &teacher, tau));
    }
    assert_gradient(&student, |x| hard_distillation(x, &teacher));
}

#[test]
fn large_and_masked_logits_stay_finite() {
    let logits = Tensor::new(
        &[[1000f32, 0.0, -1000.0], [f32::NEG_INFINITY, 5.0, 5.0]],
        &Device::Cpu,
    )
    .unwrap();
    let loss = scalar(&cross_entropy(&logits, &labels(&[0, 1]), 0.0).unwrap());
    assert_near(loss, 2f64.ln() / 2.0, 1e-6, "masked class");
    let wrong = scalar(&cross_entropy(&logits, &labels(&[2, 1]), 0.0).unwrap());
    assert_near(wrong, (2000.0 + 2f64.ln()) / 2.0, 1e-6, "certain and wrong");
}

#[test]
fn any_integer_type_names_classes() {
    let logits = tensor(3, &[3, 4]);
    let expected = scalar(&cross_entropy(&logits, &labels(&[0, 3, 1]), 0.1).unwrap());
    for dtype in [DType::U8, DType::I64] {
        let targets = labels(&[0, 3, 1]).to_dtype(dtype).unwrap();
        assert_eq!(
            scalar(&cross_entropy(&logits, &targets, 0.1).unwrap()),
            expected
        );
    }
}

#[test]
fn a_student_like_its_teacher_has_nothing_left_to_learn() {
    let teacher = tensor(4, &[5, 7]);
    let shifted = (&teacher + 3.0).unwrap(); // logits are free up to a constant
    assert!(scalar(&soft_distillation(&shifted, &teacher, 2.0).unwrap()).abs() < 1e-14);
    assert!(scalar(&soft_distillation(&tensor(5, &[5, 7]), &teacher, 2.0).unwrap()) > 0.0);
}

#[test]
fn teachers_are_constants() {
    let student = Var::from_tensor(&tensor(1, &[3, 4])).unwrap();
    let teacher = Var::from_tensor(&tensor(2, &[3, 4])).unwrap();
    for loss in [
        soft_distillation(&student, &teacher, 2.0).unwrap(),
        hard_distillation(&student, &teacher).unwrap(),
    ] {
        let gradients = loss.backward().unwrap();
        assert!(gradients.get(&student).is_some() && gradients.get(&teacher).is_none());
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
fn bad_logits_and_targets_are_errors() {
    let (logits, targets) = (tensor(1, &[2, 4]), labels(&[0, 3]));
    let ce = |logits: &Tensor, targets: &Tensor, s| {
        cross_entropy(logits, targets, s).unwrap_err().to_string()
    };
    assert!(ce(&logits, &labels(&[0, 4]), 0.1).contains("target 4 of sample 1 is not a class"));
    let negative = Tensor::new(&[-1i64, 0], &Device::Cpu).unwrap();
    assert!(ce(&logits, &negative, 0.1).contains("target -1 of sample 0"));
    assert!(ce(&logits, &labels(&[0, 1, 2]), 0.1).contains("[2, 4] and targets of shape [3]"));
    assert!(ce(&logits, &tensor(1, &[2]), 0.1).contains("integer"));
    assert!(ce(&tensor(1, &[2, 4, 1]), &targets, 0.1).contains("logits must be"));
    assert!(ce(&tensor(1, &[0, 4]), &labels(&[]), 0.1).contains("got shape [0, 4]"));
    assert!(ce(&targets.reshape((1, 2)).unwrap(), &labels(&[0]), 0.0).contains("got U32"));
    for smoothing in [-0.1, 1.0, f64::NAN] {
        assert!(ce(&logits, &targets, smoothing).contains("smoothing ="));
    }
    let other = soft_distillation(&logits, &tensor(2, &[2, 5]), 1.0)
        .unwrap_err()
        .to_string();
    assert!(
        other.contains("[2, 4] and teacher logits of shape [2, 5]"),
        "{other}"
    );
    assert!(hard_distillation(&logits, &tensor(2, &[3, 4])).is_err());
    for tau in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        let error = soft_distillation(&logits, &tensor(2, &[2, 4]), tau)
            .unwrap_err()
            .to_string();
        assert!(error.contains("tau ="), "{error}");
    }
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
    assert!(message(DistillationLoss { tau: 0.0, ..soft() }).contains("tau = 0"));
    assert!(
        message(DistillationLoss {
            smoothing: 1.0,
            ..soft()
        })
        .contains("smoothing = 1")
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
