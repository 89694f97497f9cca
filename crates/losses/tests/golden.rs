//! Values and gradients that PyTorch computed (see `tests/golden/make.py`).

mod common;

use candle_core::{DType, Tensor, Var};
use common::golden;
use spectralkd_base::random::Stream;
use spectralkd_losses::kinds::{CrossEntropy, Hard, Kl, Spectral};
use spectralkd_losses::{
    Head, Inputs, Loss, Objectives, Pairs, Reduction, Request, Shapes, cross_entropy,
    hard_distillation, mean_squared_error, soft_distillation, spectral_loss, spectral_loss_by_fft,
    spectral_to_mse_ratio,
};
use spectralkd_nn::Params;
use spectralkd_testing::{assert_close, assert_near, scalar, value_and_gradient};

type Function = fn(&Tensor, &Tensor) -> spectralkd_losses::Result<Tensor>;
const SPECTRAL: [(&str, Function); 2] = [
    ("by fft", spectral_loss_by_fft),
    ("by Parseval", spectral_loss),
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
        for (form, loss) in SPECTRAL {
            let what = format!("{case} {form}");
            let (value, gradient) = value_and_gradient(student, |x| loss(x, teacher));
            assert_near(value, scalar(get("value32")), 2e-6, &what);
            assert_close(&gradient, get("grad64"), 2e-6, &what);
            let student = student.to_dtype(DType::F64).unwrap();
            let (value, gradient) = value_and_gradient(&student, |x| loss(x, &exact));
            assert_near(value, scalar(get("value64")), 1e-13, &what);
            assert_close(&gradient, get("grad64"), 1e-13, &what);
        }
        let student = student.to_dtype(DType::F64).unwrap();
        let mse = mean_squared_error(&student, &exact).unwrap();
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
    let (alpha, weight) = (0.7, 1.5 * 0.2);
    let ce = |weight: f64| Loss::new(CrossEntropy::default(), weight);
    let tau = Kl {
        tau: 2.0,
        ..Kl::default()
    };
    let pairs = Pairs::Listed(vec![(0, 0)]);
    let spectral = || {
        Loss::new(
            Spectral {
                pairs: pairs.clone(),
                ..Spectral::default()
            },
            weight,
        )
    };
    let variants = [
        ("none", vec![ce(1.0)]),
        ("features-only", vec![ce(1.0 - alpha), spectral()]),
        (
            "soft",
            vec![ce(1.0 - alpha), Loss::new(tau, alpha), spectral()],
        ),
        (
            "hard",
            vec![
                ce(1.0 - alpha),
                Loss::new(Hard::default(), alpha),
                spectral(),
            ],
        ),
    ];
    let double = |case: &str| features[case].to_dtype(DType::F64).unwrap();
    let (map, teacher_map) = (double("2x3x6x5x8.student"), double("2x3x6x5x8.teacher"));
    let shapes = |channels| Shapes {
        classes: 5,
        heads: vec![Head::Mean],
        taps: vec![[channels, 5, 8]],
        prefix: 0,
    };
    for (name, losses) in variants {
        let params = Params::new();
        let root = params.builder(&Stream::new(0, "init"), DType::F64, map.device());
        let ratio = |_: &[_]| Ok(1.0);
        let objectives =
            Objectives::build(&losses, &shapes(3), Some(&shapes(6)), &root, &ratio).unwrap();
        let (student, ours) = (&golden["student"], &map);
        let (student, ours) = (
            Var::from_tensor(student).unwrap(),
            Var::from_tensor(ours).unwrap(),
        );
        let logits = Request::Logits(Head::Mean);
        let request = |reduction| Request::Map { tap: 0, reduction };
        let pooled = Reduction::Channels(3);
        let ours_out = [
            (logits, student.as_tensor().clone()),
            (request(Reduction::Whole), ours.as_tensor().clone()),
        ];
        let theirs_out = [
            (logits, golden["teacher"].clone()),
            (request(pooled), pooled.apply(&teacher_map).unwrap()),
        ];
        let inputs = Inputs {
            student: &ours_out.into_iter().collect(),
            teacher: &theirs_out.into_iter().collect(),
            labels: Some(&golden["targets"]),
            targets: None,
            draws: &Stream::new(0, "step"),
        };
        let total = objectives.forward(&inputs, 0).unwrap().total;
        let get = |part: &str| golden.get(&format!("total.{name}.{part}"));
        assert_near(scalar(&total), scalar(get("value").unwrap()), 1e-13, name);
        let gradients = total.backward().unwrap();
        let expected = get("logits_grad").unwrap();
        assert_close(gradients.get(&student).unwrap(), expected, 1e-13, name);
        match (gradients.get(&ours), get("feature_grad")) {
            (Some(gradient), Some(expected)) => assert_close(gradient, expected, 1e-13, name),
            (None, None) => assert_eq!(name, "none"),
            _ => panic!("{name}: only one of the two has a gradient for the features"),
        }
    }
}
