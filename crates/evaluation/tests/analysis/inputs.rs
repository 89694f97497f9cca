//! Features of any kind, and batches that are refused.

use candle_core::{DType, Tensor};
use spectralkd_evaluation::Error;
use spectralkd_evaluation::spectra::{AnalysisOptions, ModelAnalysis};

use super::{OPTIONS, analysed, assert_same, noise};

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
