//! Properties of the losses on logits.

use candle_core::{DType, Device, Tensor, Var};
use spectralkd_losses::{cross_entropy, hard_distillation, soft_cross_entropy, soft_distillation};
use spectralkd_testing::{
    assert_close, assert_gradient, assert_near, scalar, tensor, value_and_gradient,
};

fn labels(values: &[u32]) -> Tensor {
    Tensor::new(values, &Device::Cpu).unwrap()
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
        assert!(ce(&logits, &targets, smoothing).contains("`smoothing`: must be"));
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
        assert!(error.contains("`tau`: must be"), "{error}");
    }
}

#[test]
fn one_hot_targets_are_labels() {
    let (logits, targets) = (tensor(3, &[3, 4]), labels(&[0, 3, 1]));
    let one_hot = [[1f32, 0., 0., 0.], [0., 0., 0., 1.], [0., 1., 0., 0.]];
    let soft = Tensor::new(&one_hot, &Device::Cpu).unwrap();
    for smoothing in [0.0, 0.2] {
        let hard = value_and_gradient(&logits, |x| cross_entropy(x, &targets, smoothing));
        let soft = value_and_gradient(&logits, |x| soft_cross_entropy(x, &soft, smoothing));
        assert_near(soft.0, hard.0, 1e-14, "value");
        assert_close(&soft.1, &hard.1, 1e-14, "gradient");
    }
    let error = soft_cross_entropy(&logits, &tensor(1, &[3, 5]), 0.1)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("[3, 4] and soft targets of shape [3, 5]"),
        "{error}"
    );
}
