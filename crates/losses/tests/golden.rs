//! Values and gradients that PyTorch computed (see `tests/golden/make.py`).

mod common;

use candle_core::{DType, Tensor, Var};
use common::{assert_close, assert_near, golden, scalar, value_and_gradient};
use spectralkd_losses::{
    DistillationLoss, FeatureLoss, Logits, SpectralForm, cross_entropy, hard_distillation,
    soft_distillation, spectral_to_mse_ratio,
};

const SPECTRAL: [FeatureLoss; 2] = [
    FeatureLoss::Spectral(SpectralForm::Fft),
    FeatureLoss::Spectral(SpectralForm::Parseval),
];

#[test]
fn the_spectral_loss_is_torchs_in_value_and_gradient() {
    let golden = golden("features");
    let mut cases: Vec<&str> = golden
        .keys()
        .filter_map(|name| name.strip_suffix(".student"))
        .collect();
    cases.sort();
    assert_eq!(cases.len(), 12);
    for case in cases {
        let get = |name: &str| &golden[&format!("{case}.{name}")];
        let (student, teacher) = (get("student"), get("teacher"));
        let exact = teacher.to_dtype(DType::F64).unwrap();
        for loss in SPECTRAL {
            let what = format!("{case} {loss:?}");
            let (value, gradient) = value_and_gradient(student, |x| loss.pair(x, teacher));
            assert_near(value, scalar(get("value32")), 2e-6, &what);
            assert_close(&gradient, get("grad64"), 2e-6, &what);
            let student = student.to_dtype(DType::F64).unwrap();
            let (value, gradient) = value_and_gradient(&student, |x| loss.pair(x, &exact));
            assert_near(value, scalar(get("value64")), 1e-13, &what);
            assert_close(&gradient, get("grad64"), 1e-13, &what);
        }
        let student = student.to_dtype(DType::F64).unwrap();
        let mse = FeatureLoss::Mse.pair(&student, &exact).unwrap();
        assert_near(scalar(&mse), scalar(get("mse64")), 1e-13, case);
        let ratio = spectral_to_mse_ratio(&[(student, exact)]).unwrap();
        assert_near(
            ratio,
            scalar(get("value64")) / scalar(get("mse64")),
            1e-13,
            case,
        );
    }
}

#[test]
fn logit_losses_are_torchs_in_value_and_gradient() {
    let golden = golden("logits");
    let (teacher, targets) = (&golden["teacher"], &golden["targets"]);
    let check = |name: &str, loss: &dyn Fn(&Tensor) -> spectralkd_losses::Result<Tensor>| {
        let (expected, slope) = (
            scalar(&golden[&format!("{name}.value")]),
            &golden[&format!("{name}.grad")],
        );
        for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 2e-6)] {
            let student = golden["student"].to_dtype(dtype).unwrap();
            let (value, gradient) = value_and_gradient(&student, loss);
            assert_near(value, expected, tolerance, name);
            assert_close(&gradient, slope, tolerance, name);
        }
    };
    for smoothing in ["0.0", "0.1", "0.3"] {
        check(&format!("ce.{smoothing}"), &|x| {
            cross_entropy(x, targets, smoothing.parse().unwrap())
        });
    }
    for tau in ["0.5", "1.0", "3.0"] {
        check(&format!("soft.{tau}"), &|x| {
            soft_distillation(x, teacher, tau.parse().unwrap())
        });
    }
    check("hard", &|x| hard_distillation(x, teacher));
}

#[test]
fn the_whole_loss_is_torchs_in_value_and_gradients() {
    let (golden, features) = (golden("logits"), golden("features"));
    let kinds = [
        (Logits::None, "none"),
        (Logits::FeaturesOnly, "features-only"),
        (Logits::Soft, "soft"),
        (Logits::Hard, "hard"),
    ];
    for ((logits, name), feature) in kinds
        .into_iter()
        .flat_map(|kind| SPECTRAL.map(|form| (kind, form)))
    {
        let loss = DistillationLoss {
            logits,
            alpha: 0.7,
            tau: 2.0,
            smoothing: 0.1,
            beta: 1.5,
            feature: Some((feature, 0.2)),
        };
        let get = |part: &str| golden.get(&format!("total.{name}.{part}"));
        let student = Var::from_tensor(&golden["student"]).unwrap();
        let double = |case: &str| features[case].to_dtype(DType::F64).unwrap();
        let ours = Var::from_tensor(&double("2x3x6x5x8.student")).unwrap();
        let pairs = [(ours.as_tensor().clone(), double("2x3x6x5x8.teacher"))];
        let parts = loss
            .forward(
                &student,
                &golden["targets"],
                Some(&golden["teacher"]),
                &pairs,
            )
            .unwrap();
        assert_near(
            scalar(&parts.total),
            scalar(get("value").unwrap()),
            1e-13,
            name,
        );
        let gradients = parts.total.backward().unwrap();
        assert_close(
            gradients.get(&student).unwrap(),
            get("logits_grad").unwrap(),
            1e-13,
            name,
        );
        match (gradients.get(&ours), get("feature_grad")) {
            (Some(gradient), Some(expected)) => assert_close(gradient, expected, 1e-13, name),
            (None, None) => assert_eq!(logits, Logits::None),
            _ => panic!("{name}: only one of the two has a gradient for the features"),
        }
    }
}
