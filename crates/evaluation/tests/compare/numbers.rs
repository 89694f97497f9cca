//! Measures against references.

use spectralkd_base::progress::Silent;
use spectralkd_evaluation::compare::{Measure, Options, PairRow, Pooled, compare};
use spectralkd_losses::{mean_squared_error, spectral_loss_by_fft};
use spectralkd_spectral::resize;

use super::{golden, model, noise, pair, run};

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
            (spectral_loss_by_fft(&student, &teacher), row.spectral_loss),
            (mean_squared_error(&student, &teacher), row.mse),
        ] {
            let expected = loss.unwrap().to_scalar::<f64>().unwrap();
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
