//! The IDX reader: round trips, and one clear error for everything that can be wrong.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use spectralkd_datasets::DatasetError;
use spectralkd_datasets::idx::{
    Images, decode_images, decode_labels, encode_images, encode_labels, read_images, read_labels,
};
use tempfile::TempDir;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Two images of 2x3 pixels, as the format's description has them.
const IMAGES: [u8; 28] = [
    0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, // header
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
];
const LABELS: [u8; 11] = [0, 0, 8, 1, 0, 0, 0, 3, 9, 0, 4];

fn images_error(bytes: &[u8]) -> DatasetError {
    let (_folder, path) = file("images", bytes);
    let error = read_images(&path).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "no path in: {text}");
    error
}

fn labels_error(bytes: &[u8]) -> DatasetError {
    let (_folder, path) = file("labels", bytes);
    let error = read_labels(&path, 10).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "no path in: {text}");
    error
}

#[test]
fn reads_plain_and_gzipped_files_whatever_their_name() {
    let expected = Images {
        count: 2,
        height: 2,
        width: 3,
        pixels: (1..=12).collect(),
    };
    for bytes in [IMAGES.to_vec(), gzip(&IMAGES)] {
        for name in ["images", "images.gz"] {
            let (_folder, path) = file(name, &bytes);
            assert_eq!(read_images(&path).unwrap(), expected);
        }
    }
    for bytes in [LABELS.to_vec(), gzip(&LABELS)] {
        let (_folder, path) = file("labels", &bytes);
        assert_eq!(read_labels(&path, 10).unwrap(), [9, 0, 4]);
    }
}

#[test]
fn writes_what_the_format_says() {
    let pixels: Vec<u8> = (1..=12).collect();
    assert_eq!(encode_images(&pixels, 2, 3).unwrap(), IMAGES);
    assert_eq!(encode_labels(&[9, 0, 4]).unwrap(), LABELS);
    for (height, width) in [(5, 1), (0, 3)] {
        let error = encode_images(&pixels, height, width).unwrap_err();
        assert!(
            matches!(error, DatasetError::PixelCount { .. }),
            "{error:?}"
        );
    }
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_images(&folder.path().join("nothing-here")).unwrap_err();
    assert!(matches!(error, DatasetError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("nothing-here"), "{error}");
}

#[test]
fn a_folder_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_images(folder.path()).unwrap_err();
    let (DatasetError::Open { path, .. } | DatasetError::Read { path, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(path, folder.path());
}

#[test]
fn swapped_files_are_told() {
    let error = images_error(&LABELS);
    let DatasetError::Magic {
        found: 0x801,
        expected: 0x803,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains("swapped"), "{error}");
    assert!(labels_error(&gzip(&IMAGES)).to_string().contains("swapped"));
}

#[test]
fn other_magic_numbers_are_explained() {
    let text =
        |magic: [u8; 4]| images_error(&[magic.as_slice(), &IMAGES[4..]].concat()).to_string();
    assert!(
        text([0, 0, 0xd, 3]).contains("not unsigned bytes"),
        "{}",
        text([0, 0, 0xd, 3])
    );
    assert!(
        text([0, 0, 8, 4]).contains("number of dimensions"),
        "{}",
        text([0, 0, 8, 4])
    );
    assert!(
        text(*b"\x89PNG").contains("no IDX file"),
        "{}",
        text(*b"\x89PNG")
    );
}

#[test]
fn short_files_say_how_short() {
    for cut in [0, 3, 4, 9, 15] {
        let error = images_error(&IMAGES[..cut]);
        let DatasetError::Truncated {
            expected, found, ..
        } = error
        else {
            panic!("cut at {cut}: {error:?}");
        };
        assert_eq!(found, cut as u64);
        assert_eq!(expected, if cut < 4 { 4 } else { 16 });
    }
    for bytes in [IMAGES[..27].to_vec(), gzip(&IMAGES[..27])] {
        let error = images_error(&bytes);
        let DatasetError::Truncated {
            expected: 28,
            found: 27,
            ..
        } = error
        else {
            panic!("{error:?}");
        };
    }
}

#[test]
fn long_files_are_refused() {
    for bytes in [
        [IMAGES.as_slice(), &[0]].concat(),
        gzip(&[IMAGES.as_slice(), &[0]].concat()),
        [gzip(&IMAGES), gzip(&[7])].concat(), // a second gzip member
    ] {
        let error = images_error(&bytes);
        let DatasetError::TrailingBytes { expected: 28, .. } = error else {
            panic!("{error:?}");
        };
    }
    let error = labels_error(&[LABELS.as_slice(), &[0]].concat());
    assert!(
        matches!(error, DatasetError::TrailingBytes { .. }),
        "{error:?}"
    );
}

#[test]
fn every_way_of_cutting_or_damaging_a_gzip_is_noticed() {
    let whole = gzip(&IMAGES);
    for cut in 1..whole.len() {
        let error = images_error(&whole[..cut]);
        assert!(
            matches!(error, DatasetError::Gzip { .. }),
            "cut at {cut}: {error:?}"
        );
    }
    let checksum = whole.len() - 8; // CRC-32, then the length
    for damaged in checksum..whole.len() {
        let mut bytes = whole.clone();
        bytes[damaged] ^= 1;
        let error = images_error(&bytes);
        assert!(
            matches!(error, DatasetError::Gzip { .. }),
            "byte {damaged}: {error:?}"
        );
    }
    let error = images_error(&[whole, vec![1, 2, 3]].concat());
    assert!(
        matches!(error, DatasetError::Gzip { .. }),
        "junk at the end: {error:?}"
    );
    assert!(
        error.to_string().contains("copy or download it again"),
        "{error}"
    );
}

#[test]
fn impossible_sizes_are_refused_without_allocating_them() {
    let header = |sizes: [u32; 3]| {
        let sizes = sizes.iter().flat_map(|s| s.to_be_bytes());
        [0, 0, 8, 3].into_iter().chain(sizes).collect::<Vec<u8>>()
    };
    let error = images_error(&header([u32::MAX; 3]));
    assert!(matches!(error, DatasetError::Sizes { .. }), "{error:?}");
    for nothing in [[0, 2, 3], [2, 0, 3], [2, 2, 0]] {
        let error = images_error(&header(nothing));
        assert!(matches!(error, DatasetError::Sizes { .. }), "{error:?}");
    }
    // 2^60 bytes: it fits an address, and not this file.
    let error = images_error(&header([1 << 30, 1 << 15, 1 << 15]));
    assert!(matches!(error, DatasetError::Truncated { .. }), "{error:?}");
}

#[test]
fn labels_out_of_range_are_placed() {
    let (_folder, path) = file("labels", &LABELS);
    let error = read_labels(&path, 9).unwrap_err();
    let DatasetError::FileLabel {
        position: 0,
        label: 9,
        classes: 9,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains("0..=8"), "{error}");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (height, width, pixels) in (1u32..6, 1u32..6, 1usize..5).prop_flat_map(|(h, w, n)| {
            let length = n * h as usize * w as usize;
            (Just(h), Just(w), prop::collection::vec(any::<u8>(), length))
        }),
    ) {
        let bytes = encode_images(&pixels, height, width).unwrap();
        let read = decode_images(gzip(&bytes).as_slice(), Path::new("memory")).unwrap();
        prop_assert_eq!((read.height, read.width), (height as usize, width as usize));
        prop_assert_eq!(read.count, pixels.len() / (read.height * read.width));
        prop_assert_eq!(read.pixels, pixels);
    }

    /// Whatever the bytes, there is an answer and no panic; and an answer that is no error
    /// accounts for every byte.
    #[test]
    fn no_bytes_panic(
        kind in prop::sample::select(vec![[0u8, 0, 8, 1], [0, 0, 8, 3], [0x1f, 0x8b, 8, 0]]),
        rest in prop::collection::vec(0u8..4, 0..40),
    ) {
        let bytes = [kind.as_slice(), &rest].concat();
        if let Ok(images) = decode_images(bytes.as_slice(), Path::new("memory")) {
            prop_assert_eq!(images.pixels.len() + 16, bytes.len());
        }
        if let Ok(labels) = decode_labels(bytes.as_slice(), 4, Path::new("memory")) {
            prop_assert_eq!(labels.len() + 8, bytes.len());
        }
    }
}
