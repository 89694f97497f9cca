//! The preprocessing in `old`, and its batches of folders; goes with it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use sha2::{Digest, Sha256};
use spectralkd_datasets::old::Preprocess;
use spectralkd_datasets::{DatasetError, ImageFolder, Normalise, Picture};
use tempfile::TempDir;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/pictures")
        .join(name)
}

/// A folder with these files in it: pictures where the name is one's, else text.
fn tree(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let lower = file.to_lowercase();
        if lower.ends_with(".png") {
            fs::copy(golden("small.png"), path).unwrap();
        } else if lower.ends_with("g") {
            fs::copy(golden("s444.jpg"), path).unwrap();
        } else {
            fs::write(path, "text").unwrap();
        }
    }
    folder
}

const CLASSES: [&str; 15] = [
    "b/10.PNG",
    "b/1.png",
    "b/2.jpeg",
    "b/notes.txt",
    "b/.dotted.png",
    "b/sub/y.jpg",
    "b/sub dir/x.png",
    "b/sub/deep/z.png",
    "b/Sub/w.JPG",
    "a b/q.Jpeg",
    "B/one.png",
    "ä/two.png",
    "README.md",
    "logo.webp",
    ".cache/none.png",
];

fn tensors() -> HashMap<String, Tensor> {
    let path = golden("../pictures.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn preprocess(size: [usize; 2], crop_pct: f64) -> Preprocess {
    Preprocess {
        size,
        crop_pct,
        normalise: Normalise::imagenet(),
    }
}

/// The formula of pictures.py.
fn formula(height: usize, width: usize) -> Picture {
    let level = |i: usize| {
        let noise = ((i as u64 * 2_654_435_761) % (1 << 32)) >> 24;
        let (y, x) = (i / (3 * width), i / 3 % width);
        ((noise + x as u64 * 3 + y as u64 * 5) / 2 % 256) as u8
    };
    Picture::new(height, width, (0..height * width * 3).map(level).collect()).unwrap()
}

#[test]
fn preprocessing_is_timms() {
    let mut seen = 0;
    for (name, expected) in tensors() {
        let Some(name) = name.strip_prefix("timm.") else {
            continue;
        };
        // As in "landscape.png.24x24.0.875".
        let (file, case) = name.split_once(".png.").unwrap();
        let (size, crop_pct) = case.split_once('.').unwrap();
        let (height, width) = size.split_once('x').unwrap();
        let size = [height.parse().unwrap(), width.parse().unwrap()];
        let picture = Picture::read(&golden(&format!("{file}.png"))).unwrap();
        let values = preprocess(size, crop_pct.parse().unwrap())
            .apply(&picture)
            .unwrap();
        assert_eq!(expected.dims(), [3, size[0], size[1]]);
        let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
        let differ = values.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!(differ, 0, "{name}: {differ} of {} values", values.len());
        seen += 1;
    }
    assert_eq!(seen, 21);
}

#[test]
fn full_sizes_are_timms_to_the_bit() {
    let cases = fs::read_to_string(golden("../preprocess.txt")).unwrap();
    for case in cases.lines() {
        let words: Vec<&str> = case.split(' ').collect();
        let size = |i: usize| words[i].parse::<usize>().unwrap();
        let picture = formula(size(0), size(1));
        let values = preprocess([size(2), size(3)], words[4].parse().unwrap())
            .apply(&picture)
            .unwrap();
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let digest: String = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(digest, words[5], "{case}");
    }
    assert_eq!(cases.lines().count(), 36);
}

#[test]
fn impossible_preprocessings_are_explained() {
    let picture = formula(8, 9);
    for (size, crop_pct, word) in [
        ([0, 224], 0.9, "0x224"),
        ([224, 100_000], 0.9, "224x100000"),
        ([224, 224], 0.0, "crop_pct 0"),
        ([224, 224], -1.0, "crop_pct -1"),
        ([224, 224], f64::NAN, "crop_pct NaN"),
        ([224, 224], f64::INFINITY, "crop_pct inf"),
        ([224, 224], 300.0, "crop_pct 300"),
    ] {
        let error = preprocess(size, crop_pct).apply(&picture).unwrap_err();
        assert!(matches!(error, DatasetError::Preprocess { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let grey = Preprocess {
        normalise: Normalise {
            mean: vec![0.5],
            std: vec![0.5],
        },
        ..preprocess([8, 8], 1.0)
    };
    let error = grey.apply(&picture).unwrap_err();
    assert!(
        matches!(error, DatasetError::NormaliseChannels { .. }),
        "{error}"
    );
    let thread = formula(60_000, 1);
    let error = preprocess([384, 384], 1.0).apply(&thread).unwrap_err();
    assert!(error.to_string().contains("too narrow"), "{error}");
}

#[test]
fn a_batch_is_the_pictures_in_the_order_asked_for() {
    let folder = tree(&CLASSES);
    let set = ImageFolder::open(folder.path()).unwrap();
    let preprocess = preprocess([12; 2], 0.9);
    let indices = [10, 1, 3, 1];
    let batch = set.batch(&indices, &preprocess).unwrap();
    assert_eq!(batch.images.dims(), [4, 3, 12, 12]);
    assert_eq!(batch.indices, indices);
    let labels: Vec<u32> = batch.labels.unwrap().to_vec1().unwrap();
    assert_eq!(labels, [3, 1, 2, 1]);
    for (row, i) in indices.into_iter().enumerate() {
        let values: Vec<f32> = batch
            .images
            .get(row)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        let picture = Picture::read(set.path(i as usize)).unwrap();
        assert_eq!(values, preprocess.apply(&picture).unwrap());
    }
}

#[test]
fn threads_do_not_change_a_batch() {
    let folder = tree(&CLASSES);
    let set = ImageFolder::open(folder.path()).unwrap();
    let indices: Vec<u32> = (0..11).collect();
    let with = |threads: usize| -> Vec<f32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let batch = pool
            .unwrap()
            .install(|| set.batch(&indices, &preprocess([16; 2], 0.9)))
            .unwrap();
        batch.images.flatten_all().unwrap().to_vec1().unwrap()
    };
    let one = with(1);
    assert!([2, 5].into_iter().all(|threads| with(threads) == one));
}

#[test]
fn the_first_bad_picture_is_named() {
    let folder = tree(&["a/1.png", "a/2.jpg", "a/3.png", "a/4.jpg"]);
    let set = ImageFolder::open(folder.path()).unwrap();
    let jpeg = fs::read(golden("s420.jpg")).unwrap();
    fs::write(set.path(1), &jpeg[..jpeg.len() / 2]).unwrap();
    fs::write(set.path(3), "no picture").unwrap();
    let error = set
        .batch(&[0, 1, 2, 3], &preprocess([8; 2], 0.9))
        .unwrap_err();
    assert!(
        matches!(&error, DatasetError::DamagedPicture { path, .. } if path == set.path(1)),
        "{error}"
    );
    let error = set.batch(&[3, 2, 1], &preprocess([8; 2], 0.9)).unwrap_err();
    assert!(error.to_string().contains("a/4.jpg"), "{error}");
    fs::remove_file(set.path(2)).unwrap();
    let error = set.batch(&[2], &preprocess([8; 2], 0.9)).unwrap_err();
    assert!(
        matches!(&error, DatasetError::Open { path, .. } if path == set.path(2)),
        "{error}"
    );
    assert!(set.batch(&[0], &preprocess([8; 2], 0.9)).is_ok());
}

#[test]
fn batches_that_cannot_be() {
    let folder = tree(&["a/1.png"]);
    let set = ImageFolder::open(folder.path()).unwrap();
    let error = set.batch(&[], &preprocess([8; 2], 0.9)).unwrap_err();
    assert!(matches!(error, DatasetError::EmptyBatch), "{error}");
    let error = set.batch(&[0, 1], &preprocess([8; 2], 0.9)).unwrap_err();
    assert!(
        matches!(error, DatasetError::Index { index: 1, len: 1 }),
        "{error}"
    );
    let error = set.batch(&[0], &preprocess([0; 2], 0.9)).unwrap_err();
    assert!(matches!(error, DatasetError::Preprocess { .. }), "{error}");
}
