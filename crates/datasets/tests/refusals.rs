//! Pipelines that cannot be, and images that they cannot take.

mod common;

use common::formula;
use spectralkd_datasets::{DatasetError, Erase, Fill, Geometry, Mix, Pipeline, Sample, ViewKey};

#[test]
fn impossible_pipelines_are_explained() {
    let centre = |size, crop_pct| Pipeline::new(size, 3, Geometry::Centre { crop_pct });
    let crop =
        |scale, ratio| Pipeline::new([8, 8], 3, Geometry::RandomResizedCrop { scale, ratio });
    let plain = centre([8, 8], 0.9);
    let erase = |probability, area| Pipeline {
        erase: Some(Erase {
            area,
            ..Erase::new(probability, Fill::Zero)
        }),
        ..plain.clone()
    };
    let mix = |mixup, cutmix, probability| Pipeline {
        mix: Some(Mix {
            mixup,
            cutmix,
            probability,
            switch: 0.5,
        }),
        ..plain.clone()
    };
    let flip = |flip| Pipeline {
        flip,
        ..plain.clone()
    };
    for (pipeline, words) in [
        (centre([0, 224], 0.9), "0x224"),
        (centre([224, 100_000], 0.9), "224x100000"),
        (centre([224, 224], 0.0), "crop_pct 0"),
        (centre([224, 224], -1.0), "crop_pct -1"),
        (centre([224, 224], f64::NAN), "crop_pct NaN"),
        (centre([224, 224], f64::INFINITY), "crop_pct inf"),
        (centre([224, 224], 300.0), "crop_pct 300"),
        (crop([0.0, 1.0], [0.75, 1.3]), "a random crop of 0 to 1"),
        (crop([0.5, 1.5], [0.75, 1.3]), "0.5 to 1.5"),
        (crop([0.5, 0.4], [0.75, 1.3]), "0.5 to 0.4"),
        (crop([0.5, 1.0], [-1.0, 1.3]), "-1 to 1.3"),
        (crop([0.5, 1.0], [1.0, f64::NAN]), "NaN"),
        (flip(1.5), "mirroring with probability 1.5"),
        (flip(f64::NAN), "NaN"),
        (erase(-0.1, [0.1, 0.2]), "erasing with probability -0.1"),
        (erase(0.5, [0.0, 0.2]), "0 to 0.2 of the area"),
        (mix(0.0, 0.0, 1.0), "mixup alpha 0, CutMix alpha 0"),
        (mix(-0.5, 1.0, 1.0), "-0.5"),
        (mix(0.5, 1.0, 2.0), "probability 2"),
    ] {
        let error = pipeline.check().unwrap_err();
        assert!(matches!(error, DatasetError::Pipeline { .. }), "{error}");
        assert!(error.to_string().contains(words), "no {words:?}: {error}");
        // What is wrong is said before anything is read.
        let nothing = Sample::Encoded(Vec::new());
        let error = pipeline.view(&nothing, &ViewKey::plain(0)).unwrap_err();
        assert!(matches!(error, DatasetError::Pipeline { .. }), "{error}");
    }
    let two = Pipeline::new([8, 8], 2, Geometry::AsIs);
    let error = two.check().unwrap_err();
    assert!(matches!(error, DatasetError::Channels { channels: 2 }));
}

#[test]
fn images_that_do_not_fit_are_named() {
    let key = ViewKey::plain(17);
    let as_is = Pipeline::new([8, 9], 1, Geometry::AsIs);
    let error = as_is.view(&formula(9, 8), &key).unwrap_err().to_string();
    assert!(error.contains("image 17"), "{error}");
    assert!(error.contains("9x8") && error.contains("8x9"), "{error}");

    let centre = Pipeline::new([384, 384], 3, Geometry::Centre { crop_pct: 1.0 });
    let thread = formula(60_000, 1);
    let error = centre.view(&thread, &key).unwrap_err().to_string();
    assert!(error.contains("image 17"), "{error}");
    assert!(error.contains("too narrow"), "{error}");

    let text = Sample::Encoded(b"<html>".to_vec());
    let error = centre.view(&text, &key).unwrap_err().to_string();
    assert!(error.contains("image 17"), "{error}");
    assert!(error.contains("no picture"), "{error}");
}
