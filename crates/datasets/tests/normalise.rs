//! Normalisation: fitted to a set, and refused where it cannot work.

mod common;

use candle_core::Device;
use common::{floats, inline, many};
use spectralkd_datasets::{
    BatchRequest, DatasetError, Geometry, ImageSet, Normalise, Pipeline, Render,
};

#[test]
fn a_fitted_normalisation_gives_mean_0_and_deviation_1() {
    let set = many(200, [1, 4, 5]);
    let render = Render::new([4, 5], 1, Normalise::fit(&set).unwrap()).unwrap();
    let loader = inline(set, &Pipeline::new([4, 5], 1, Geometry::AsIs));
    let indices: Vec<u32> = (0..200).collect();
    let batch = loader.batch(&BatchRequest::plain(&indices)).unwrap();
    let xs = floats(&render.render(&batch, &Device::Cpu).unwrap());
    let n = xs.len() as f64;
    let mean = xs.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = xs
        .iter()
        .map(|&x| (f64::from(x) - mean).powi(2))
        .sum::<f64>()
        / n;
    assert!(mean.abs() < 1e-6, "{mean}");
    assert!((variance - 1.0).abs() < 1e-5, "{variance}");
}

#[test]
fn each_channel_is_fitted_by_itself() {
    let classes = vec!["a".to_owned()];
    let set = ImageSet::new([2, 1, 2], vec![0, 255, 51, 153], vec![0], classes).unwrap();
    let fitted = Normalise::fit(&set).unwrap();
    assert_eq!(fitted.mean, [0.5, 0.4]);
    assert_eq!(fitted.std, [0.5, 0.2]);
}

#[test]
fn a_normalisation_that_cannot_work_is_refused() {
    let check = |mean: &[f32], std: &[f32]| {
        let normalise = Normalise {
            mean: mean.to_vec(),
            std: std.to_vec(),
        };
        normalise.check(2).unwrap_err()
    };
    for error in [check(&[0.5], &[0.5, 0.5]), check(&[0.5; 3], &[0.5; 3])] {
        assert!(
            matches!(error, DatasetError::NormaliseChannels { channels: 2, .. }),
            "{error:?}"
        );
    }
    for std in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let error = check(&[0.5, 0.5], &[0.5, std]);
        assert!(
            matches!(error, DatasetError::NormaliseValue { channel: 1, .. }),
            "{error:?}"
        );
    }
    let black = ImageSet::new([1, 1, 2], vec![0, 0], vec![0], vec!["a".to_owned()]).unwrap();
    let error = Normalise::fit(&black).unwrap_err();
    assert!(
        matches!(error, DatasetError::NormaliseValue { channel: 0, .. }),
        "{error:?}"
    );
}
