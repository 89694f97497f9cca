//! Tables and figures.

use candle_core::Tensor;
use spectralkd_evaluation::spectra::{
    AnalysisOptions, ModelAnalysis, ModelSpectra, depth_figure, intensity_figure,
    normalised_intensity_figure, radial_figure, spectra_figure,
};
use spectralkd_report::csv::Reader;

use super::{OPTIONS, analysed, noise};

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
