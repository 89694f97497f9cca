//! Views against timm, torchvision and Pillow (golden/pictures.py, golden/views.py).

mod common;

use std::fs;

use common::{bytes, encoded, evaluated, floats, formula, golden, key, one, raw, size, tensors};
use sha2::{Digest, Sha256};
use spectralkd_datasets::{Erase, Fill, Geometry, Mix, Normalise, Pipeline, Sample, ViewKey};

/// timm's evaluation transforms of a golden file, with this normalisation.
fn evaluations(file: &str, prefix: &str, normalise: &Normalise) -> usize {
    let mut seen = 0;
    for (name, expected) in tensors(file) {
        let Some(name) = name.strip_prefix(prefix) else {
            continue;
        };
        // As in "landscape.png.24x24.0.875".
        let (picture, case) = name.split_once(".png.").unwrap();
        let (sides, crop_pct) = case.split_once('.').unwrap();
        let sample = encoded(&format!(
            "{}{picture}.png",
            prefix.trim_start_matches("timm.")
        ));
        let crop_pct = crop_pct.parse().unwrap();
        let values = evaluated(&sample, size(sides), crop_pct, normalise.clone());
        let expected = floats(&expected);
        assert_eq!(values.len(), expected.len());
        let differ = values.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!(differ, 0, "{name}: {differ} of {} values", values.len());
        seen += 1;
    }
    seen
}

#[test]
fn evaluation_is_timms_in_colours() {
    let normalise = Normalise::imagenet();
    assert_eq!(evaluations("pictures.safetensors", "timm.", &normalise), 21);
    assert_eq!(evaluations("views.safetensors", "../", &normalise), 3);
}

#[test]
fn evaluation_is_timms_in_grey() {
    let grey = Normalise {
        mean: vec![0.4],
        std: vec![0.3],
    };
    assert_eq!(evaluations("views.safetensors", "timm.", &grey), 9);
}

#[test]
fn full_sizes_are_timms_to_the_bit() {
    let cases = fs::read_to_string(golden("preprocess.txt")).unwrap();
    for case in cases.lines() {
        let words: Vec<&str> = case.split(' ').collect();
        let side = |i: usize| words[i].parse::<usize>().unwrap();
        let values = evaluated(
            &formula(side(0), side(1)),
            [side(2), side(3)],
            words[4].parse().unwrap(),
            Normalise::imagenet(),
        );
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let digest = Sha256::digest(&bytes);
        let digest: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest, words[5], "{case}");
    }
    assert_eq!(cases.lines().count(), 36);
}

/// Grey pictures as Pillow's `convert("L")`: PNGs to the bit, JPEGs as near as their decoder is.
#[test]
fn grey_is_pillows() {
    let mut seen = 0;
    for (name, expected) in tensors("views.safetensors") {
        let Some(name) = name.strip_prefix("grey.") else {
            continue;
        };
        let (height, width) = expected.dims2().unwrap();
        let pipeline = Pipeline::new([height, width], 1, Geometry::AsIs);
        let view = pipeline.view(&encoded(name), &ViewKey::plain(0)).unwrap();
        let expected = bytes(&expected);
        let apart = |(a, b): (&u8, &u8)| a.abs_diff(*b);
        let most = view.pixels.iter().zip(&expected).map(apart).max().unwrap();
        let bound = match name {
            "grey.jpg" | "png_inside.jpg" => u8::from(name == "grey.jpg"),
            _ if name.ends_with(".jpg") => 3,
            _ => 0,
        };
        assert!(most <= bound, "{name}: {most}");
        seen += 1;
    }
    assert_eq!(seen, 23);
}

/// Draws and pixels: `random` of timm's transform was replaced by the view's stream.
#[test]
fn random_crops_are_timms_to_the_bit() {
    let mut seen = 0;
    for (name, expected) in tensors("views.safetensors") {
        let Some(case) = name.strip_prefix("crop ") else {
            continue;
        };
        let words: Vec<&str> = case.split(' ').collect();
        let number = |i: usize| words[i].parse::<f64>().unwrap();
        let pipeline = Pipeline {
            flip: 0.5, // draws of its own
            ..Pipeline::new(
                size(words[2]),
                if words[1] == "L" { 1 } else { 3 },
                Geometry::RandomResizedCrop {
                    scale: [number(3), number(4)],
                    ratio: [number(5), number(6)],
                },
            )
        };
        let sample = encoded(&format!("{}.png", words[0]));
        let view = pipeline.view(&sample, &key(words[7])).unwrap();
        assert!(view.pixels == bytes(&expected), "{case}");
        seen += 1;
    }
    assert_eq!(seen, 14);
}

#[test]
fn erased_boxes_are_timms() {
    let draws = fs::read_to_string(golden("draws.txt")).unwrap();
    let mut seen = [0, 0];
    for case in draws.lines().filter(|line| line.starts_with("erase")) {
        let (start, end) = case.split_once(": ").unwrap();
        let words: Vec<&str> = start.split(' ').collect();
        let [height, width] = size(words[2]);
        let probability = words[3].parse().unwrap();
        let pipeline = Pipeline {
            erase: Some(Erase::new(probability, Fill::Zero)),
            ..Pipeline::new([height, width], 1, Geometry::AsIs)
        };
        let sample = raw([1, height, width], vec![9; height * width]);
        let view = pipeline.view(&sample, &key(words[1])).unwrap();
        let found = match view.erased.as_slice() {
            [] => "none".to_owned(),
            [erased] => {
                let area = erased.area;
                format!("{} {} {} {}", area.top, area.left, area.height, area.width)
            }
            more => panic!("{more:?}"),
        };
        assert_eq!(found, end, "{case}");
        assert!(view.pixels.iter().all(|&level| level == 9)); // rendering erases
        seen[usize::from(end == "none")] += 1;
    }
    assert!(seen[0] > 50 && seen[1] > 20, "{seen:?}");
}

#[test]
fn raw_images_go_through_the_geometry_like_pictures() {
    for geometry in [
        Geometry::Centre { crop_pct: 0.9 },
        Geometry::Centre { crop_pct: 1.3 }, // with black around
        Geometry::random_resized_crop(),
    ] {
        for (file, channels) in [("landscape.png", 3), ("grey.png", 1)] {
            let encoded = encoded(file);
            let sizes = match channels {
                3 => [45, 67],
                _ => [28, 35],
            };
            let whole = Pipeline::new(sizes, channels, Geometry::AsIs);
            let levels = one(&encoded, &whole).views;
            let raw = raw([channels, sizes[0], sizes[1]], levels);
            for size in [[20, 20], [90, 70], [20, 30]] {
                for channels in [1, 3] {
                    let pipeline = Pipeline::new(size, channels, geometry);
                    let key = key("1.2.3.4");
                    let view = pipeline.view(&raw, &key).unwrap();
                    assert_eq!(view, pipeline.view(&encoded, &key).unwrap());
                }
            }
        }
    }
}

#[test]
fn channels_are_brought_to_those_asked_for() {
    let colours = raw([3, 1, 2], vec![255, 10, 0, 20, 0, 30]);
    let grey = raw([1, 1, 2], vec![7, 200]);
    let view = |sample: &Sample<'_>, channels| {
        let pipeline = Pipeline::new([1, 2], channels, Geometry::AsIs);
        pipeline.view(sample, &ViewKey::plain(0)).unwrap().pixels
    };
    assert_eq!(view(&colours, 3), [255, 10, 0, 20, 0, 30]);
    assert_eq!(view(&grey, 1), [7, 200]);
    assert_eq!(view(&grey, 3), [7, 200, 7, 200, 7, 200]);
    assert_eq!(view(&colours, 1), [76, 18]); // Pillow: 0.299 * 255 = 76.2; 18.15
}

#[test]
fn versions_are_counted_where_they_can_be() {
    let plain = Pipeline::new([8, 8], 1, Geometry::AsIs);
    assert_eq!((plain.versions(), plain.version(false)), (Some(1), Some(0)));
    assert_eq!(plain.fixed(0), Some(plain.clone()));
    assert_eq!(plain.fixed(1), None);

    let flips = Pipeline {
        flip: 0.3,
        ..Pipeline::new([8, 8], 1, Geometry::Centre { crop_pct: 0.9 })
    };
    assert_eq!((flips.versions(), flips.version(true)), (Some(2), Some(1)));
    for (version, flipped) in [(0, false), (1, true)] {
        let fixed = flips.fixed(version).unwrap();
        assert!((0..200).all(|i| fixed.flips(&ViewKey::plain(i)) == flipped));
    }
    assert_eq!(flips.fixed(2), None);

    let crop = Pipeline::new([8, 8], 1, Geometry::random_resized_crop());
    let erase = Pipeline {
        erase: Some(Erase::new(0.25, Fill::Noise)),
        ..plain.clone()
    };
    let mix = Pipeline {
        mix: Some(Mix {
            mixup: 0.8,
            cutmix: 0.0,
            probability: 1.0,
            switch: 0.5,
        }),
        ..plain
    };
    for pipeline in [crop, erase, mix] {
        assert_eq!((pipeline.versions(), pipeline.version(true)), (None, None));
        assert_eq!(pipeline.fixed(0), None);
    }
}
