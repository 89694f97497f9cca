//! Pictures against Pillow (golden/pictures.py).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use spectralkd_datasets::{DatasetError, Picture};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn tensors() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(golden().join("pictures.safetensors"), &Device::Cpu).unwrap()
}

/// The picture of a golden file, and its bytes as Pillow has them.
fn both(name: &str, expected: &Tensor) -> (Picture, Vec<u8>) {
    let picture = Picture::read(&golden().join("pictures").join(name)).unwrap();
    assert_eq!(
        expected.dims(),
        [picture.height(), picture.width(), 3],
        "{name}"
    );
    assert_eq!(expected.dtype(), DType::U8);
    let expected = expected.flatten_all().unwrap().to_vec1().unwrap();
    (picture, expected)
}

#[test]
fn pngs_of_every_kind_are_pillows() {
    let mut seen = 0;
    for (name, expected) in tensors() {
        let Some(name) = name.strip_prefix("rgb.").filter(|n| n.ends_with(".png")) else {
            continue;
        };
        let (picture, expected) = both(name, &expected);
        assert!(picture.pixels() == expected, "{name} differs");
        seen += 1;
    }
    assert_eq!(seen, 15);
}

#[test]
fn jpegs_of_every_kind_are_near_libjpegs() {
    let mut seen = 0;
    for (name, expected) in tensors() {
        let Some(name) = name.strip_prefix("rgb.").filter(|n| n.ends_with(".jpg")) else {
            continue;
        };
        let (picture, expected) = both(name, &expected);
        let differences: Vec<f64> = picture
            .pixels()
            .iter()
            .zip(&expected)
            .map(|(&a, &b)| f64::from(a.abs_diff(b)))
            .collect();
        let mean = differences.iter().sum::<f64>() / differences.len() as f64;
        let most = differences.iter().copied().fold(0.0, f64::max);
        let (mean_bound, bound) = match name {
            "png_inside.jpg" | "grey.jpg" => (0.02, 1.0),
            _ => (0.6, 4.0),
        };
        assert!(mean <= mean_bound && most <= bound, "{name}: {mean} {most}");
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn an_orientation_is_not_applied() {
    let turned = Picture::read(&golden().join("pictures/turned.jpg")).unwrap();
    assert_eq!((turned.height(), turned.width()), (43, 61));
}

#[test]
fn a_picture_needs_its_pixels() {
    for (height, width, bytes) in [(0, 3, 0), (2, 2, 11), (usize::MAX, 2, 12)] {
        let error = Picture::new(height, width, vec![0; bytes]).unwrap_err();
        assert!(matches!(error, DatasetError::PixelCount { .. }), "{error}");
    }
}

fn file(name: &str) -> Vec<u8> {
    fs::read(golden().join("pictures").join(name)).unwrap()
}

#[test]
fn every_truncation_is_an_error_that_names_the_file() {
    for name in [
        "s420.jpg",
        "progressive.jpg",
        "turned.jpg",
        "rgba.png",
        "palette.png",
    ] {
        let whole = file(name);
        // A PNG is whole when its pixels are: the last chunk (12 bytes) and checksums add nothing.
        let least = whole.len() - if name.ends_with("png") { 20 } else { 1 };
        for length in (0..=least).step_by(7).chain([least]) {
            let error = Picture::decode(&whole[..length], Path::new("in/cut.jpg"))
                .expect_err(&format!("{length} bytes of {name}"));
            assert!(error.to_string().contains("in/cut.jpg"), "{error}");
        }
    }
}

#[test]
fn other_kinds_are_named() {
    for (bytes, word) in [
        (&b""[..], "empty"),
        (b"GIF89a....", "GIF"),
        (b"RIFF....WEBPVP8 ", "WebP"),
        (b"II*\0....", "TIFF"),
        (b"BM......", "BMP"),
        (b"<html>", "no picture"),
    ] {
        let error = Picture::decode(bytes, Path::new("a.jpg")).unwrap_err();
        assert!(
            matches!(error, DatasetError::UnsupportedPicture { .. }),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains(word) && text.contains("\"a.jpg\""), "{text}");
    }
}

#[test]
fn a_size_that_no_picture_has_is_refused_before_memory_is_taken() {
    let mut png = file("small.png");
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]); // 65536 x 65536
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    let error = Picture::decode(&png, Path::new("a.png")).unwrap_err();
    assert!(error.to_string().contains("65536x65536"), "{error}");
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Damage inside a file gives a picture or an error, and no panic.
    #[test]
    fn damage_never_panics(which in 0..6usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let names = ["s420.jpg", "progressive.jpg", "cmyk.jpg", "s422.jpg", "rgba16.png", "palette.png"];
        let mut bytes = file(names[which]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(picture) = Picture::decode(&bytes, Path::new("a.jpg")) {
            prop_assert_eq!(picture.pixels().len(), 3 * picture.height() * picture.width());
        }
    }
}
