//! Properties of the feature losses.

use candle_core::{DType, Device, Tensor, Var};
use proptest::prelude::*;
use spectralkd_losses::{
    Error, Result, mean_squared_error, spectral_loss, spectral_loss_by_fft, spectral_to_mse_ratio,
};
use spectralkd_spectral::{Norm, oracle};
use spectralkd_testing::{
    assert_close, assert_gradient, assert_near, flat, scalar, tensor, value_and_gradient,
};

type Loss = fn(&Tensor, &Tensor) -> Result<Tensor>;
const ALL: [(&str, Loss); 3] = [
    ("by fft", spectral_loss_by_fft),
    ("spectral", spectral_loss),
    ("mse", mean_squared_error),
];

/// The spectral loss of f64 features by the definitions of pooling and transform.
fn by_definition(student: &Tensor, teacher: &Tensor) -> f64 {
    let (b, c, h, w) = student.dims4().unwrap();
    let vectors = |x: &Tensor| flat(&x.permute((0, 2, 3, 1)).unwrap());
    let pooled: Vec<f64> = vectors(teacher)
        .chunks_exact(teacher.dims()[1])
        .flat_map(|vector| oracle::adaptive_avg_pool(vector, c))
        .collect();
    let pooled = Tensor::from_vec(pooled, (b, h, w, c), &Device::Cpu).unwrap();
    let pooled = flat(&pooled.permute((0, 3, 1, 2)).unwrap());
    let mut sum = 0.0;
    for (ours, theirs) in flat(student)
        .chunks_exact(h * w)
        .zip(pooled.chunks_exact(h * w))
    {
        let spectra = [ours, theirs].map(|plane| oracle::rfft2(plane, h, w, Norm::Ortho));
        sum += spectra[0]
            .iter()
            .zip(&spectra[1])
            .map(|(a, b)| (a - b).norm_sqr())
            .sum::<f64>();
    }
    sum / (2 * b * c * h * (w / 2 + 1)) as f64
}

fn ratio(error: Tensor) -> f64 {
    let zero = error.zeros_like().unwrap();
    spectral_to_mse_ratio(&[(error, zero)]).unwrap()
}

#[test]
fn gradients_agree_with_finite_differences() {
    for (c_t, h, w) in [(3, 3, 4), (7, 4, 3), (5, 2, 1), (3, 1, 2)] {
        let (student, teacher) = (tensor(1, &[2, 3, h, w]), tensor(2, &[2, c_t, h, w]));
        for (_, loss) in ALL {
            assert_gradient(&student, |x| loss(x, &teacher));
        }
    }
}

#[test]
fn the_teacher_is_a_constant() {
    for channels in [3, 6] {
        let student = Var::from_tensor(&tensor(1, &[2, 3, 4, 4])).unwrap();
        let teacher = Var::from_tensor(&tensor(2, &[2, channels, 4, 4])).unwrap();
        for (name, loss) in ALL {
            let gradients = loss(&student, &teacher).unwrap().backward().unwrap();
            assert!(gradients.get(&student).is_some());
            assert!(gradients.get(&teacher).is_none(), "{name}");
        }
    }
}

#[test]
fn the_ratio_is_that_of_the_means_over_pairs() {
    let pairs = [
        (tensor(1, &[2, 3, 4, 4]), tensor(2, &[2, 6, 4, 4])),
        (tensor(3, &[2, 8, 7, 5]), tensor(4, &[2, 8, 7, 5])),
        (tensor(5, &[1, 2, 1, 9]), tensor(6, &[1, 3, 1, 9])),
    ];
    let sum = |loss: Loss| -> f64 {
        let of = |(s, t): &(Tensor, Tensor)| scalar(&loss(s, t).unwrap());
        pairs.iter().map(of).sum()
    };
    let ratio = spectral_to_mse_ratio(&pairs).unwrap();
    let expected = sum(spectral_loss) / sum(mean_squared_error);
    assert_near(ratio, expected, 1e-14, "ratio");
    let none = spectral_to_mse_ratio(&[]);
    assert!(matches!(none, Err(Error::NoPairs)));
}

#[test]
fn the_ratio_to_plain_mse_follows_the_frequency_of_the_error() {
    let wave = |w: usize, f: fn(usize) -> f64| {
        let row: Vec<f64> = (0..w).map(f).collect();
        Tensor::from_vec(row, (1, 1, 1, w), &Device::Cpu)
            .unwrap()
            .repeat((2, 3, 5, 1))
            .unwrap()
    };
    for (w, expected) in [
        (7, 0.875),
        (14, 0.875),
        (56, 56.0 / 58.0),
        (1, 0.5),
        (2, 0.5),
    ] {
        assert_near(ratio(wave(w, |_| 1.0)), expected, 1e-14, "constant along W");
    }
    // Alternating: all in the Nyquist column, which odd widths lack.
    assert_near(
        ratio(wave(14, |i| 1.0 - 2.0 * (i % 2) as f64)),
        0.875,
        1e-14,
        "alternating",
    );
    // A frequency with a partner is kept once of twice: W / (4 (W/2 + 1)).
    let paired = wave(14, |i| {
        (std::f64::consts::TAU * 3.0 * i as f64 / 14.0).sin()
    });
    assert_near(ratio(paired), 14.0 / 32.0, 1e-13, "paired frequency");
    let white = ratio(tensor(9, &[64, 32, 14, 14]));
    assert_near(white, 0.5, 0.005, "white error");
}

#[test]
fn precision_follows_the_student_and_half_types_are_computed_in_f32() {
    let (student, teacher) = (tensor(1, &[2, 3, 4, 5]), tensor(2, &[2, 6, 4, 5]));
    let cast = |x: &Tensor, dtype| x.to_dtype(dtype).unwrap();
    for (name, loss) in ALL {
        let of = |ours, theirs| loss(&cast(&student, ours), &cast(&teacher, theirs)).unwrap();
        assert_eq!(of(DType::F64, DType::F32).dtype(), DType::F64);
        assert_eq!(of(DType::F32, DType::F64).dtype(), DType::F32);
        for half in [DType::F16, DType::BF16] {
            assert_eq!(of(half, half).dtype(), DType::F32);
            let rounded = [&student, &teacher].map(|x| cast(&cast(x, half), DType::F32));
            let expected = loss(&rounded[0], &rounded[1]).unwrap();
            assert_eq!(scalar(&of(half, half)), scalar(&expected), "{name}");
        }
    }
}

#[test]
fn bad_pairs_are_errors_that_name_the_shapes() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    for (_, loss) in ALL {
        let message =
            |s: &[usize], t: &[usize]| loss(&zeros(s), &zeros(t)).unwrap_err().to_string();
        let wider = message(&[2, 8, 4, 4], &[2, 6, 4, 4]);
        assert!(
            wider.contains("[2, 8, 4, 4]") && wider.contains("[2, 6, 4, 4]"),
            "{wider}"
        );
        assert!(wider.contains("more channels than"), "{wider}");
        for other in [[3, 6, 4, 4], [2, 6, 5, 4], [2, 6, 4, 5]] {
            let mismatch = message(&[2, 3, 4, 4], &other);
            assert!(
                mismatch.contains(&format!("{other:?} differ in batch, height or width")),
                "{mismatch}"
            );
        }
        assert!(message(&[2, 3, 4], &[2, 3, 4, 4]).contains("student features must be"));
        assert!(message(&[2, 3, 4, 4], &[2, 3, 0, 4]).contains("got shape [2, 3, 0, 4]"));
        let labels = zeros(&[1, 2, 3, 3]).to_dtype(DType::U32).unwrap();
        assert!(
            loss(&labels, &labels)
                .unwrap_err()
                .to_string()
                .contains("got U32")
        );
    }
}

#[test]
fn a_ratio_of_equal_features_is_an_error() {
    let x = tensor(1, &[2, 3, 4, 4]);
    assert!(matches!(
        spectral_to_mse_ratio(&[(x.clone(), x)]),
        Err(Error::NoRatio { .. })
    ));
    let nan = Tensor::full(f32::NAN, (1, 1, 2, 2), &Device::Cpu).unwrap();
    let error = spectral_to_mse_ratio(&[(nan.clone(), nan)])
        .unwrap_err()
        .to_string();
    assert!(error.contains("not finite"), "{error}");
}

/// Batch, student and teacher channels, height, width.
fn shapes() -> impl Strategy<Value = (usize, usize, usize, usize, usize)> {
    (1usize..4, 1usize..6, 0usize..6, 1usize..=17, 1usize..=17)
        .prop_map(|(b, c, more, h, w)| (b, c, c + more, h, w))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn both_forms_agree_in_value_and_gradient(seed: u64, (b, c_s, c_t, h, w) in shapes()) {
        for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 1e-5)] {
            let student = tensor(seed, &[b, c_s, h, w]).to_dtype(dtype).unwrap();
            let teacher = tensor(seed ^ 1, &[b, c_t, h, w]).to_dtype(dtype).unwrap();
            let fft = value_and_gradient(&student, |x| spectral_loss_by_fft(x, &teacher));
            let parseval = value_and_gradient(&student, |x| spectral_loss(x, &teacher));
            assert_near(parseval.0, fft.0, tolerance, "value");
            assert_close(&parseval.1, &fft.1, tolerance, "gradient");
        }
    }

    #[test]
    fn both_forms_are_the_definition(seed: u64, (b, c_s, c_t, h, w) in shapes()) {
        let (student, teacher) = (tensor(seed, &[b, c_s, h, w]), tensor(seed ^ 1, &[b, c_t, h, w]));
        let expected = by_definition(&student, &teacher);
        for loss in [spectral_loss_by_fft, spectral_loss] {
            let value = scalar(&loss(&student, &teacher).unwrap());
            assert_near(value, expected, 1e-12, "definition");
        }
    }

    #[test]
    fn strides_do_not_matter(seed: u64, h in 1usize..9, w in 1usize..9) {
        // Tokens [B, N, C] seen as [B, C, H, W], as a transformer gives them.
        let features = |seed: u64, channels| {
            let tokens = tensor(seed, &[2, h * w, channels]).transpose(1, 2).unwrap();
            tokens.reshape((2, channels, h, w)).unwrap()
        };
        let view = |seed: u64, channels| {
            tensor(seed, &[2, h, w, channels]).permute((0, 3, 1, 2)).unwrap()
        };
        for (_, loss) in ALL {
            let strided = value_and_gradient(&view(seed, 4), |x| loss(x, &view(seed ^ 1, 6)));
            let teacher = features(seed ^ 1, 6);
            let packed = value_and_gradient(&features(seed, 4), |x| loss(x, &teacher));
            prop_assert_eq!(strided.0.to_bits(), packed.0.to_bits());
            prop_assert_eq!(flat(&strided.1), flat(&packed.1));
        }
    }
}
