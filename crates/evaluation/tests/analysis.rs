//! The analysis of layers against NumPy (see `tests/golden/analysis.py`), and its behaviour as a
//! stream.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_evaluation::Error;
use spectralkd_evaluation::spectra::{
    AnalysedModel, AnalysisOptions, ModelAnalysis, ModelSpectra, depth_figure, intensity_figure,
    normalised_intensity_figure, radial_figure, spectra_figure,
};
use spectralkd_report::csv::Reader;

const OPTIONS: AnalysisOptions = AnalysisOptions {
    seed: 9,
    permutations: 20,
    permutation_images: 3,
};

fn golden() -> HashMap<String, Tensor> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/analysis.safetensors"
    );
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn noise(name: &str, shape: (usize, usize, usize, usize)) -> Tensor {
    let mut stream = Stream::new(3, name);
    let count = shape.0 * shape.1 * shape.2 * shape.3;
    let values: Vec<f32> = (0..count).map(|_| stream.normal() as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn analysed(features: &[(usize, Tensor)]) -> AnalysedModel {
    let mut analysis = ModelAnalysis::new("model", OPTIONS);
    analysis.push(features).unwrap();
    analysis.finish().unwrap()
}

/// Every number of every table, names beside them.
fn numbers(model: &AnalysedModel) -> Vec<(String, Option<f64>)> {
    let tables = [
        model.spectra_csv(),
        model.intensity_csv(),
        model.bands_csv(),
        model.quantiles_csv(),
        model.radial_csv(),
        model.summary_csv(),
    ];
    let mut all = Vec::new();
    for table in tables {
        let read = Reader::parse(&table).unwrap();
        for column in &read.columns {
            let values = read.optional_numbers(column).unwrap();
            all.extend(values.into_iter().map(|v| (column.clone(), v)));
        }
    }
    all
}

fn assert_same(a: &AnalysedModel, b: &AnalysedModel) {
    let (a, b) = (numbers(a), numbers(b));
    assert_eq!(a.len(), b.len());
    for ((name, a), (_, b)) in a.iter().zip(&b) {
        match (a, b) {
            (Some(a), Some(b)) => assert!(
                (a - b).abs() <= 1e-9 * b.abs().max(1e-3),
                "{name}: {a}, {b}"
            ),
            _ => assert_eq!(a, b, "{name}"),
        }
    }
}

#[test]
fn every_quantity_is_numpys() {
    let golden = golden();
    let features: Vec<(usize, Tensor)> = [3, 8]
        .map(|l| (l, golden[&format!("{l}.x")].clone()))
        .into();
    let model = analysed(&features);
    for layer in &model.layers {
        let check = |name: &str, got: &[f64], tolerance: f64| {
            let expected = golden[&format!("{}.{name}", layer.layer)]
                .to_vec1::<f64>()
                .unwrap();
            assert_eq!(got.len(), expected.len(), "{name}");
            for (got, expected) in got.iter().zip(expected) {
                let error = (got - expected).abs();
                assert!(
                    error <= tolerance * expected.abs(),
                    "{name}: {got} against {expected}"
                );
            }
        };
        check("amplitude", &layer.amplitude, 1e-12);
        check("intensity", &[layer.intensity], 1e-12);
        check("rms", &[layer.rms], 1e-12);
        check("normalised", &[layer.normalised_intensity.unwrap()], 1e-12);
        let q = &layer.quantiles;
        check("sd", &q.standard_deviation, 1e-12);
        check("min", &q.min, 1e-9);
        check("max", &q.max, 1e-12);
        check("p5", &q.p5, 0.01);
        check("p50", &q.p50, 0.01);
        check("p95", &q.p95, 0.01);
        check(
            "spectral_entropy",
            &[layer.spectral_entropy.unwrap()],
            1e-12,
        );
        check("feature_entropy", &[layer.feature_entropy.nats], 5e-3);
        check("own_range_entropy", &[layer.own_range_entropy.nats], 5e-3);
        for (name, entropy) in [
            ("feature_entropy", layer.feature_entropy),
            ("own_range_entropy", layer.own_range_entropy),
        ] {
            check(name, &[entropy.nats], entropy.error / entropy.nats + 1e-12);
        }
        check("spatial", &layer.spatial, 1e-12);
        let radial: Vec<f64> = layer.radial.iter().map(|r| r.1).collect();
        check("radial", &radial, 1e-12);
        check("effective_rank", &[layer.effective_rank.unwrap()], 1e-10);
        let p = layer.permuted.as_ref().unwrap();
        assert_eq!((p.images, p.permutations), (3, 20));
        check("permuted_own", &p.amplitude, 1e-6);
        check("permuted_mean", &p.mean, 1e-6);
        check(
            "permuted_band",
            &[p.low.clone(), p.high.clone()].concat(),
            1e-6,
        );
        check(
            "permuted_intensity",
            &[p.intensity, p.intensity_low, p.intensity_high],
            1e-6,
        );
    }
}

#[test]
fn batches_and_shards_add_up() {
    let all = [
        (2, noise("a", (7, 10, 4, 5))),
        (5, noise("b", (7, 6, 3, 3))),
    ];
    let part = |from: usize, count: usize| -> Vec<(usize, Tensor)> {
        let cut = |(l, x): &(usize, Tensor)| (*l, x.narrow(0, from, count).unwrap());
        all.iter().map(cut).collect()
    };
    let whole = analysed(&all);
    let mut streamed = ModelAnalysis::new("model", OPTIONS);
    for (from, count) in [(0, 1), (1, 0), (1, 4), (5, 2)] {
        streamed.push(&part(from, count)).unwrap();
    }
    assert_same(&streamed.finish().unwrap(), &whole);

    // The permutations see the first three images: all of them lie in the first shard's budget when
    // the second one has none.
    let mut left = ModelAnalysis::new("model", OPTIONS);
    left.push(&part(0, 4)).unwrap();
    let mut right = ModelAnalysis::new("model", OPTIONS);
    right.push(&part(4, 3)).unwrap();
    let mut both = left.clone();
    both.merge(&right).unwrap();
    let both = both.finish().unwrap();
    assert_eq!(both.images, 7);
    for (merged, whole) in both.layers.iter().zip(&whole.layers) {
        assert_eq!(merged.permuted.as_ref().unwrap().images, 6);
        assert_eq!(merged.feature_entropy, whole.feature_entropy);
        assert_eq!(merged.quantiles.p50, whole.quantiles.p50);
        let (a, b) = (
            merged.effective_rank.unwrap(),
            whole.effective_rank.unwrap(),
        );
        assert!((a - b).abs() < 1e-9 && (merged.intensity - whole.intensity).abs() < 1e-12);
    }
    let mut empty = ModelAnalysis::new("model", OPTIONS);
    empty.merge(&left).unwrap();
    left.merge(&ModelAnalysis::new("model", OPTIONS)).unwrap();
    assert_same(&empty.finish().unwrap(), &left.finish().unwrap());
}

#[test]
fn tables_agree_with_the_spectra_alone() {
    let features = [(0, noise("a", (4, 9, 3, 4))), (1, noise("b", (4, 6, 3, 3)))];
    let model = analysed(&features);
    let mut spectra = ModelSpectra::new();
    spectra.push(&features).unwrap();
    assert_eq!(model.spectra_csv(), spectra.spectra_csv());
    assert_eq!(model.intensity_csv(), spectra.intensity_csv());
    let bands = Reader::parse(&model.bands_csv()).unwrap();
    let (low, high) = (
        bands.numbers("permuted_p5").unwrap(),
        bands.numbers("permuted_p95").unwrap(),
    );
    assert_eq!(bands.rows.len(), 5 + 4);
    assert!(low.iter().zip(&high).all(|(l, h)| l <= h));
    // Bin 0 is the same in every order.
    let own = bands.numbers("amplitude").unwrap();
    assert!((low[0] - own[0]).abs() < 1e-6 && (high[0] - own[0]).abs() < 1e-6);
}

#[test]
fn strides_and_types_do_not_matter() {
    let tokens = noise("tokens", (3, 5, 4, 6));
    let view = tokens.permute((0, 3, 1, 2)).unwrap();
    let packed = analysed(&[(0, view.force_contiguous().unwrap())]);
    assert_same(&analysed(&[(0, view.clone())]), &packed);
    assert_same(
        &analysed(&[(0, view.to_dtype(DType::F64).unwrap())]),
        &packed,
    );
}

#[test]
fn a_layer_that_is_zero_everywhere_has_empty_cells() {
    let live = noise("live", (2, 6, 3, 3));
    let model = analysed(&[(0, live.clone()), (1, live.zeros_like().unwrap())]);
    let dead = &model.layers[1];
    assert_eq!(
        (
            dead.normalised_intensity,
            dead.spectral_entropy,
            dead.effective_rank
        ),
        (None, None, None)
    );
    assert_eq!(dead.own_range_entropy.nats, 0.0);
    assert!(model.intensity_csv().ends_with("\n1,0,\n"));
    let read = Reader::parse(&model.intensity_csv()).unwrap();
    assert!(read.numbers("normalised_intensity").is_err());
    assert_eq!(
        read.optional_numbers("normalised_intensity").unwrap()[1],
        None
    );
    let figure = normalised_intensity_figure(&[&model]).unwrap();
    assert!(
        figure.caption.contains("zero everywhere: layer 1 of model"),
        "{}",
        figure.caption
    );
    assert_eq!(figure.csv.lines().count(), 3); // header, layer 0, the reference
    for figure in [
        spectra_figure(&model),
        radial_figure(&model),
        depth_figure(&[&model]),
    ] {
        figure.unwrap();
    }
    let nothing = analysed(&[(0, live.zeros_like().unwrap())]);
    assert!(intensity_figure(&[&nothing]).is_ok());
    for figure in [
        spectra_figure(&nothing),
        radial_figure(&nothing),
        normalised_intensity_figure(&[&nothing]),
    ] {
        assert!(matches!(
            figure,
            Err(spectralkd_report::Error::Figure { .. })
        ));
    }
}

#[test]
fn figures_hold_every_layer_of_a_deep_model() {
    let layers: Vec<(usize, Tensor)> = (0..24)
        .map(|l| (l, noise(&l.to_string(), (2, 6, 4, 4))))
        .collect();
    let model = analysed(&layers);
    let rows = |csv: &str| csv.lines().count() - 1;
    // Bins 0, 1, 2 of 6 channels, in two series; rings 0, 1, 2; four panels of shares.
    assert_eq!(rows(&spectra_figure(&model).unwrap().csv), 24 * 3 * 2);
    assert_eq!(rows(&radial_figure(&model).unwrap().csv), 24 * 3);
    assert_eq!(rows(&depth_figure(&[&model]).unwrap().csv), 24 * 4);
    assert_eq!(rows(&intensity_figure(&[&model]).unwrap().csv), 24);
    let twice = intensity_figure(&[&model, &model]);
    assert!(matches!(
        twice,
        Err(spectralkd_report::Error::Figure { .. })
    ));
    assert!(intensity_figure(&[]).is_err());
}

#[test]
fn without_permutations_there_are_no_bands() {
    let options = AnalysisOptions {
        permutations: 0,
        ..OPTIONS
    };
    let mut analysis = ModelAnalysis::new("model", options);
    analysis.push(&[(0, noise("a", (2, 6, 3, 3)))]).unwrap();
    let model = analysis.finish().unwrap();
    assert_eq!(model.bands_csv().lines().count(), 1);
    assert!(!intensity_figure(&[&model]).unwrap().csv.contains("low"));
    spectra_figure(&model).unwrap();
}

#[test]
fn bad_batches_change_nothing() {
    let (a, b) = (noise("a", (2, 4, 3, 3)), noise("b", (2, 6, 3, 3)));
    let mut analysis = ModelAnalysis::new("model", OPTIONS);
    assert!(matches!(analysis.finish(), Err(Error::TooFew { .. })));
    analysis.push(&[(0, a.clone()), (1, b.clone())]).unwrap();
    let before = analysis.finish().unwrap();
    let one = |x: &Tensor| x.narrow(0, 0, 1).unwrap();
    let shapes: [&[(usize, Tensor)]; 4] = [
        &[(0, b.clone()), (1, b.clone())],
        &[(0, one(&a)), (1, b.clone())],
        &[(0, a.get(0).unwrap()), (1, b.clone())],
        &[(0, a.narrow(3, 0, 2).unwrap()), (1, b.clone())],
    ];
    for bad in shapes {
        assert!(
            matches!(analysis.push(bad), Err(Error::Shape { .. })),
            "{bad:?}"
        );
    }
    let layers: [&[(usize, Tensor)]; 3] = [
        &[(0, a.clone())],
        &[(0, a.clone()), (1, b.clone()), (2, b.clone())],
        &[(0, a.clone()), (0, a.clone()), (1, b.clone())],
    ];
    for bad in layers {
        assert!(matches!(analysis.push(bad), Err(Error::Layer { .. })));
    }
    let nan = b.affine(f64::NAN, 0.0).unwrap();
    assert!(matches!(
        analysis.push(&[(0, a.clone()), (1, nan)]),
        Err(Error::NotFinite { .. })
    ));
    let whole = b.to_dtype(DType::U8).unwrap();
    assert!(matches!(
        analysis.push(&[(0, a.clone()), (1, whole)]),
        Err(Error::Spectral(_))
    ));
    let mut other = ModelAnalysis::new("model", AnalysisOptions { seed: 1, ..OPTIONS });
    other.push(&[(0, a.clone()), (1, b)]).unwrap();
    assert!(matches!(analysis.merge(&other), Err(Error::Spectral(_))));
    let mut other = ModelAnalysis::new("model", OPTIONS);
    other.push(&[(0, a)]).unwrap();
    assert!(matches!(analysis.merge(&other), Err(Error::Layer { .. })));
    assert_eq!(analysis.finish().unwrap(), before);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let x = noise("threads", (6, 40, 7, 7));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| analysed(&[(0, x.clone())]))
    };
    assert_eq!(run(1), run(3));
}
