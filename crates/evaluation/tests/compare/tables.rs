//! Tables and figures.

use spectralkd_report::csv::Reader;

use super::{golden, run};

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
