//! The comparison of two models: against NumPy (see `tests/golden/compare.py`),
//! against the loss that students are trained with, and what must hold for any
//! features.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use spectralkd_base::progress::Silent;
use spectralkd_base::random::Stream;
use spectralkd_evaluation::Error;
use spectralkd_evaluation::compare::{
    Comparison, Features, Held, Measure, Options, PairRow, Pooled, compare,
};
use spectralkd_evaluation::csv::Reader;
use spectralkd_losses::{FeatureLoss, SpectralForm};
use spectralkd_spectral::resize;

fn noise(name: &str, shape: [usize; 4]) -> Tensor {
    let mut stream = Stream::new(11, name);
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|_| stream.normal())
        .collect();
    Tensor::from_vec(values, &shape[..], &Device::Cpu).unwrap()
}

fn model(name: &str, layers: Vec<(usize, Tensor)>) -> Held {
    Held::new(name, layers).unwrap()
}

fn run(a: &[(usize, Tensor)], b: &[(usize, Tensor)]) -> Comparison {
    let (mut a, mut b) = (model("A", a.to_vec()), model("B", b.to_vec()));
    compare(&mut a, &mut b, &Options::default(), &Silent).unwrap()
}

fn pair(a: &Tensor, b: &Tensor) -> PairRow {
    run(&[(0, a.clone())], &[(0, b.clone())]).rows[0]
}

/// Layer, features by layer.
fn golden() -> (
    Vec<(usize, Tensor)>,
    Vec<(usize, Tensor)>,
    HashMap<String, Tensor>,
) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/compare.safetensors"
    );
    let values = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let side = |side: &str| {
        let mut layers: Vec<(usize, Tensor)> = values
            .iter()
            .filter_map(|(name, t)| Some((name.strip_prefix(side)?.parse().unwrap(), t.clone())))
            .collect();
        layers.sort_by_key(|l| l.0);
        layers
    };
    (side("a."), side("b."), values)
}

#[test]
fn every_measure_is_numpys() {
    let (a, b, values) = golden();
    let comparison = run(&a, &b);
    let check = |name: &str, of: &dyn Fn(&PairRow) -> f64| {
        let expected = values[name].flatten_all().unwrap().to_vec1::<f64>();
        for (row, expected) in comparison.rows.iter().zip(expected.unwrap()) {
            let got = of(row);
            assert!(
                (got - expected).abs() < 1e-11 * expected.abs().max(1.0),
                "{name} of {} and {}: {got} for {expected}",
                row.a_layer,
                row.b_layer
            );
        }
    };
    for measure in Measure::ALL {
        check(measure.column(), &|row| measure.of(row).unwrap());
    }
    check("cka_debiased", &|row| row.cka_debiased.unwrap());
    check("energy", &|row| row.energy);
    check("energy_dc", &|row| row.energy_dc);
    check("energy_nyquist", &|row| row.energy_nyquist);
    let marks: Vec<_> = comparison
        .rows
        .iter()
        .map(|r| (r.pooled, r.aligned))
        .collect();
    use Pooled::{A, B, Neither};
    let expected = [
        [(B, false), (Neither, false), (B, true)],
        [(B, true), (Neither, true), (B, true)],
        [(B, true), (A, true), (A, true)],
    ];
    assert_eq!(marks, expected.concat());
    assert_eq!(comparison.rows[6].shape, [9, 4, 6]);
}

#[test]
fn the_spectral_loss_is_the_one_of_training() {
    for shape in [[5, 6, 4, 4], [5, 6, 3, 5], [5, 6, 7, 2], [5, 6, 4, 1]] {
        let [n, _, h, w] = shape;
        let (student, teacher) = (noise("s", [n, 4, h, w]), noise("t", shape));
        let row = pair(&student, &teacher);
        for (loss, got) in [
            (FeatureLoss::Spectral(SpectralForm::Fft), row.spectral_loss),
            (FeatureLoss::Mse, row.mse),
        ] {
            let expected = loss.pair(&student, &teacher).unwrap();
            let expected = expected.to_scalar::<f64>().unwrap();
            assert!((got - expected).abs() < 1e-12, "{shape:?}: {got}");
        }
    }
}

#[test]
fn a_larger_map_is_resized_to_the_smaller() {
    let (small, large) = (noise("s", [6, 3, 4, 4]), noise("l", [6, 3, 8, 6]));
    let fitted = pair(&small, &resize(&large, [4, 4]).unwrap());
    for (row, pooled) in [
        (pair(&small, &large), Pooled::Neither),
        (pair(&large, &small), Pooled::Neither),
    ] {
        assert!(row.aligned && row.pooled == pooled);
        assert!((row.spectral_loss - fitted.spectral_loss).abs() < 1e-13);
        assert!((row.mse - fitted.mse).abs() < 1e-13);
        // These two see the maps as they are.
        assert!((row.cka.unwrap() - fitted.cka.unwrap()).abs() > 1e-4);
        assert!((row.spectrum_distance - fitted.spectrum_distance).abs() > 1e-4);
    }
}

#[test]
fn few_images_bias_cka_but_not_its_debiased_form() {
    let (d, n) = (900.0, 60.0);
    let row = pair(&noise("x", [60, 9, 10, 10]), &noise("y", [60, 9, 10, 10]));
    assert!((row.cka.unwrap() - d / (d + n)).abs() < 0.01, "{row:?}");
    assert!(row.cka_debiased.unwrap().abs() < 0.1, "{row:?}");
}

#[test]
fn memory_decides_how_often_features_are_read_and_nothing_else() {
    let (a, b, _) = golden();
    let whole = run(&a, &b);
    for memory in [0, 40_000, 100_000] {
        let (mut a, mut b) = (model("A", a.clone()), model("B", b.clone()));
        let parts = compare(&mut a, &mut b, &Options { memory }, &Silent).unwrap();
        for (x, y) in whole.rows.iter().zip(&parts.rows) {
            assert_eq!(x.energy.to_bits(), y.energy.to_bits());
            assert_eq!(x.spectral_loss.to_bits(), y.spectral_loss.to_bits());
            let near = |x: Option<f64>, y: Option<f64>| (x.unwrap() - y.unwrap()).abs() < 1e-12;
            assert!(near(x.cka, y.cka) && near(x.cka_debiased, y.cka_debiased));
            assert!(near(Some(x.spectrum_distance), Some(y.spectrum_distance)));
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let a = vec![
        (0, noise("a", [20, 12, 14, 14])),
        (1, noise("b", [20, 12, 7, 7])),
    ];
    let b = vec![
        (0, noise("c", [20, 16, 14, 14])),
        (1, noise("d", [20, 24, 14, 14])),
    ];
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| run(&a, &b))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
}

#[test]
fn any_type_and_strides_will_do() {
    let x = noise("x", [4, 2, 3, 3]).to_dtype(DType::F32).unwrap();
    let tokens = x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
    let strided = tokens.permute((0, 3, 1, 2)).unwrap();
    let row = pair(&x, &strided);
    assert_eq!((row.energy, row.spectrum_distance), (0.0, 0.0));
    let half = pair(&x, &x.to_dtype(DType::BF16).unwrap());
    assert!(half.mse > 0.0 && half.mse < 1e-4);
}

#[test]
fn layers_that_never_change_have_no_cka() {
    let still = noise("still", [1, 2, 3, 3]).repeat((5, 1, 1, 1)).unwrap();
    let moving = noise("moving", [5, 2, 3, 3]);
    let found = run(&[(0, still), (1, moving.clone())], &[(0, moving.clone())]);
    assert_eq!(
        (found.rows[0].cka, found.rows[0].cka_debiased),
        (None, None)
    );
    assert_eq!(found.matrix(Measure::Cka)[0], [None]);
    assert!(found.rows[1].cka.is_some());
    assert!(Reader::parse(&found.csv()).unwrap().texts("cka").unwrap()[0].is_empty());
    // Three images: too few for the debiased form.
    let few = moving.narrow(0, 0, 3).unwrap();
    let row = pair(&few, &few);
    assert!(row.cka.is_some() && row.cka_debiased.is_none());
    // One: for either, and there is no heat map of it.
    let one = moving.narrow(0, 0, 1).unwrap();
    let found = run(&[(0, one.clone())], &[(0, one)]);
    assert_eq!(found.rows[0].cka, None);
    assert_eq!(found.figures(("student", "teacher")).unwrap().len(), 3);
}

#[test]
fn tables_hold_what_was_measured() {
    let (a, b, _) = golden();
    let found = run(&a, &b);
    let csv = found.csv();
    assert!(csv.starts_with("a_layer,b_layer,spectral_loss,mse,cka,spectrum_distance\n0,1,"));
    let read = Reader::parse(&csv).unwrap();
    assert_eq!(read.numbers("b_layer").unwrap()[..4], [1.0, 2.0, 8.0, 1.0]);
    let details = Reader::parse(&found.details_csv()).unwrap();
    let column = |name: &str| details.numbers(name).unwrap();
    assert_eq!(details.texts("pooled").unwrap()[..3], ["b", "neither", "b"]);
    assert_eq!(column("aligned"), [0., 0., 1., 1., 1., 1., 1., 1., 1.]);
    // The identity that the docs promise, from the file alone.
    for (i, loss) in read.numbers("spectral_loss").unwrap().iter().enumerate() {
        let at = |name: &str| column(name)[i];
        let sum = at("energy") + at("energy_dc") + at("energy_nyquist");
        let half = (at("width") / 2.0).floor() + 1.0;
        let count = 4.0 * at("images") * at("channels") * at("height") * half;
        assert!((loss - sum / count).abs() < 1e-12 * loss);
    }
    let intensities: Vec<f64> = found.b.layers.iter().map(|l| l.intensity).collect();
    let scores = found.scores();
    assert_eq!(scores.teacher_layers, [1, 2, 8]);
    assert_eq!(scores.intensities.unwrap().1, intensities);
    assert_eq!(
        scores.spectrum_distance.unwrap()[2][1],
        found.rows[7].spectrum_distance
    );
}

#[test]
fn figures_are_one_per_measure() {
    let (a, b, _) = golden();
    let figures = run(&a, &b)
        .figures(("student block", "teacher block"))
        .unwrap();
    let ids: Vec<&str> = figures.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "compare-spectral-loss",
            "compare-mse",
            "compare-cka",
            "compare-spectrum-distance"
        ]
    );
    assert!(
        figures[0]
            .caption
            .contains("In 5 of 9 pairs, B is averaged over channels")
    );
    assert!(
        figures[0]
            .caption
            .contains("In 7 of 9 pairs, the larger map is resized")
    );
    assert!(
        figures[2]
            .csv
            .starts_with("student_block,teacher_block,linear_cka\n0,1,0.")
    );
}

/// Features that misbehave at one layer.
struct Odd(Held, fn(Tensor) -> Result<Tensor, String>);

impl Features for Odd {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn images(&self) -> usize {
        self.0.images()
    }

    fn layers(&self) -> Vec<(usize, [usize; 3])> {
        self.0.layers()
    }

    fn read(&mut self, layer: usize, first: usize, count: usize) -> Result<Tensor, String> {
        let read = self.0.read(layer, first, count)?;
        if layer == 5 { self.1(read) } else { Ok(read) }
    }
}

#[test]
fn bad_features_are_errors() {
    let x = noise("x", [3, 2, 4, 4]);
    let good = || model("good", vec![(0, x.clone())]);
    let layers = vec![(0, x.clone()), (5, x.clone())];
    let with = |how| {
        let mut odd = Odd(model("odd", layers.clone()), how);
        compare(&mut good(), &mut odd, &Options::default(), &Silent).unwrap_err()
    };
    let text = with(|_| Err("the disk is gone".into())).to_string();
    assert_eq!(text, "features of odd, layer 5: the disk is gone");
    let text = with(|t| Ok(t.narrow(1, 0, 1).unwrap())).to_string();
    assert!(
        text.contains("[3, 2, 4, 4]") && text.contains("[3, 1, 4, 4]"),
        "{text}"
    );
    let text = with(|t| Ok(t.to_dtype(DType::U32).unwrap())).to_string();
    assert!(text.contains("U32"), "{text}");
    let nan = with(|t| Ok((t.zeros_like().unwrap() / 0.0).unwrap()));
    assert!(matches!(nan, Error::NotFinite { index: 0, .. }));
    assert!(nan.to_string().contains("layer 5 of odd, image 0"), "{nan}");

    let fails = |a: Vec<(usize, Tensor)>, b: Vec<(usize, Tensor)>| {
        let (mut a, mut b) = (model("A", a), model("B", b));
        compare(&mut a, &mut b, &Options::default(), &Silent).unwrap_err()
    };
    let few = x.narrow(0, 0, 2).unwrap();
    let error = fails(vec![(0, few)], vec![(0, x.clone())]);
    assert!(matches!(
        error,
        Error::Lengths {
            left_len: 2,
            right_len: 3,
            ..
        }
    ));
    assert!(matches!(
        fails(vec![], layers.clone()),
        Error::TooFew { .. }
    ));
    let twice = vec![(0, x.clone()), (0, x.clone())];
    assert!(matches!(
        fails(twice, layers),
        Error::Features { layer: 0, .. }
    ));
    let ragged = vec![(0, x.clone()), (1, x.narrow(0, 0, 1).unwrap())];
    assert!(matches!(Held::new("x", ragged), Err(Error::Shape { .. })));
}

/// An orthogonal matrix `[n, n]`: a product of Householder reflections.
fn orthogonal(n: usize) -> Tensor {
    let mut q = Tensor::eye(n, DType::F64, &Device::Cpu).unwrap();
    for i in 0..3 {
        let v = noise(&format!("reflection {i}"), [n, 1, 1, 1])
            .reshape((n, 1))
            .unwrap();
        let length = v
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar::<f64>()
            .unwrap();
        let part = v.matmul(&v.t().unwrap()).unwrap().matmul(&q).unwrap();
        q = (q - (part * (2.0 / length)).unwrap()).unwrap();
    }
    q
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cka_ignores_rotation_scale_and_mean(
        n in 2..9usize, c in 1..4usize, h in 1..4usize, w in 1..4usize,
        scale in 0.01..100.0f64, seed in 0..1000u32,
    ) {
        let x = noise(&format!("x{seed}"), [n, c, h, w]);
        let y = noise(&format!("y{seed}"), [n, 2, 2, 3]);
        let flat = x.reshape((n, c * h * w)).unwrap();
        let turned = flat.matmul(&orthogonal(c * h * w)).unwrap();
        let moved = turned.affine(scale, 7.0).unwrap().reshape((n, c, h, w)).unwrap();
        let (plain, same) = (pair(&x, &y), pair(&moved, &y));
        prop_assert!((plain.cka.unwrap() - same.cka.unwrap()).abs() < 1e-9);
        prop_assert!((pair(&x, &moved).cka.unwrap() - 1.0).abs() < 1e-9);
        if let (Some(a), Some(b)) = (plain.cka_debiased, same.cka_debiased) {
            prop_assert!((a - b).abs() < 1e-6 * a.abs().max(1.0), "{} {}", a, b);
        }
    }

    #[test]
    fn measures_are_symmetric_and_zero_for_equals(
        n in 2..6usize, c in 1..6usize, d in 1..6usize, seed in 0..1000u32,
        size in (1..7usize, 1..7usize), other in (1..7usize, 1..7usize),
    ) {
        let x = noise(&format!("x{seed}"), [n, c, size.0, size.1]);
        let y = noise(&format!("y{seed}"), [n, d, other.0, other.1]);
        let (one, two) = (pair(&x, &y), pair(&y, &x));
        for measure in Measure::ALL {
            let (one, two) = (measure.of(&one).unwrap(), measure.of(&two).unwrap());
            prop_assert!((one - two).abs() <= 1e-12 * one.abs().max(1.0));
        }
        prop_assert!(one.cka.unwrap() >= 0.0 && one.cka.unwrap() <= 1.0);
        let same = pair(&x, &x);
        prop_assert_eq!((same.spectral_loss, same.mse, same.spectrum_distance), (0.0, 0.0, 0.0));
        prop_assert!((same.cka.unwrap() - 1.0).abs() < 1e-12);
        // The spectral loss lies between a quarter and all of the error.
        prop_assert!(one.spectral_loss <= one.mse * 1.000001);
        prop_assert!(one.energy_dc + one.energy_nyquist <= one.energy * 1.000001);
    }
}
