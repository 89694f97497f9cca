//! Fashion-MNIST: the embedded files are what they claim to be, and folders are read by the
//! same reader.

use std::fs;

use spectralkd_datasets::fashion_mnist::{CLASSES, TEST_FILES, TRAIN_FILES, from_dir};
use spectralkd_datasets::{DatasetError, idx};
use tempfile::TempDir;

/// A folder with 20 training and 10 test images, not gzipped, drawn by hand.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for ([images, labels], count) in [(TRAIN_FILES, 20u8), (TEST_FILES, 10)] {
        let pixels: Vec<u8> = (0..count).flat_map(|i| [i; 28 * 28]).collect();
        let classes: Vec<u8> = (0..count).map(|i| i % 10).collect();
        write(
            &folder,
            images,
            &idx::encode_images(&pixels, 28, 28).unwrap(),
        );
        write(&folder, labels, &idx::encode_labels(&classes).unwrap());
    }
    folder
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) {
    fs::write(folder.path().join(name), bytes).unwrap();
}

fn error(folder: &TempDir) -> (DatasetError, String) {
    let error = from_dir(folder.path()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(folder.path().to_str().unwrap()),
        "no path in: {text}"
    );
    (error, text)
}

#[test]
fn a_folder_of_plain_files_is_read() {
    let folder = folder();
    let splits = from_dir(folder.path()).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (20, 10));
    assert_eq!(splits.train.shape(), [1, 28, 28]);
    assert_eq!(splits.train.classes(), CLASSES);
    assert_eq!(splits.train.labels()[13], 3);
    assert!(splits.train.image(13).iter().all(|&byte| byte == 13));
    assert!(
        splits.origin.contains("20 training and 10 test"),
        "{}",
        splits.origin
    );
}

#[test]
fn a_missing_file_is_named_with_what_to_do() {
    let folder = folder();
    fs::remove_file(folder.path().join(TEST_FILES[1])).unwrap();
    let (error, text) = error(&folder);
    assert!(matches!(error, DatasetError::Missing { .. }), "{error:?}");
    for part in [TEST_FILES[1], ".gz", "dataset-fashion-mnist"] {
        assert!(text.contains(part), "no {part} in: {text}");
    }
    let nowhere = from_dir(&folder.path().join("nowhere")).unwrap_err();
    assert!(nowhere.to_string().contains("nowhere"), "{nowhere}");
}

#[test]
fn images_and_labels_must_be_as_many() {
    let folder = folder();
    write(
        &folder,
        TRAIN_FILES[1],
        &idx::encode_labels(&[1; 19]).unwrap(),
    );
    let (error, text) = error(&folder);
    let DatasetError::CountMismatch {
        images: 20,
        labels: 19,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert!(
        text.contains(TRAIN_FILES[0]) && text.contains(TRAIN_FILES[1]),
        "{text}"
    );
}

#[test]
fn other_sizes_and_labels_are_another_data_set() {
    let small = folder();
    write(
        &small,
        TRAIN_FILES[0],
        &idx::encode_images(&[0; 20], 1, 1).unwrap(),
    );
    let (kind, text) = error(&small);
    assert!(matches!(kind, DatasetError::ImageSize { .. }), "{kind:?}");
    assert!(text.contains("28x28"), "{text}");

    let labels = folder();
    write(
        &labels,
        TEST_FILES[1],
        &idx::encode_labels(&[10; 10]).unwrap(),
    );
    let (kind, _) = error(&labels);
    assert!(
        matches!(kind, DatasetError::FileLabel { label: 10, .. }),
        "{kind:?}"
    );
}

#[cfg(feature = "embedded")]
mod embedded {
    use std::path::Path;

    use super::*;
    use sha2::{Digest, Sha256};
    use spectralkd_datasets::fashion_mnist::{embedded, normalise};
    use spectralkd_datasets::{Dataset, ImageSet, Normalise};

    const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
    const FULL: &str = "/usr/share/datasets/fashion-mnist";

    /// SHA-256 of the authors' test files, unpacked, and of the same selection of training
    /// images made by a few lines of Python.
    const UNPACKED: [(&str, &str); 4] = [
        (
            "t10k-images-idx3-ubyte",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        (
            "t10k-labels-idx1-ubyte",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        (
            "train-images-idx3-ubyte",
            "d33512cfdc636a0d8972818e6659995be209a88891df7fa2109d7895922c8985",
        ),
        (
            "train-labels-idx1-ubyte",
            "620cb8e3b9348037c5ff9a07b02d773ab165330e072dfd19e0d21c59f8042dcf",
        ),
    ];

    fn hex(bytes: &[u8]) -> String {
        Sha256::digest(bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    #[test]
    fn the_files_have_their_recorded_checksums_and_stay_under_10_mb() {
        let sums = fs::read_to_string(format!("{DATA}/SHA256SUMS")).unwrap();
        let mut total = 0;
        for line in sums.lines() {
            let (sum, name) = line.split_once("  ").unwrap();
            let bytes = fs::read(format!("{DATA}/{name}")).unwrap();
            assert_eq!(hex(&bytes), sum, "{name}");
            total += bytes.len();
        }
        assert_eq!(sums.lines().count(), 4);
        assert!(total < 10_000_000, "{total} bytes");
    }

    /// The test images are the original test split byte for byte, and the training images
    /// the documented selection.
    #[test]
    fn unpacked_they_are_the_original_files() {
        let splits = embedded().unwrap();
        let file = |set: &ImageSet, name: &str| {
            if name.contains("images") {
                let pixels: Vec<u8> = (0..set.len()).flat_map(|i| set.image(i)).copied().collect();
                idx::encode_images(&pixels, 28, 28).unwrap()
            } else {
                let labels: Vec<u8> = set.labels().iter().map(|&l| l as u8).collect();
                idx::encode_labels(&labels).unwrap()
            }
        };
        for (name, sum) in UNPACKED {
            let set = if name.starts_with("t10k") {
                &splits.test
            } else {
                &splits.train
            };
            assert_eq!(hex(&file(set, name)), sum, "{name}");
        }
    }

    #[test]
    fn both_splits_are_balanced_and_are_the_recorded_sets() {
        let splits = embedded().unwrap();
        assert_eq!(splits.train.class_counts(), [1000; 10]);
        assert_eq!(splits.test.class_counts(), [1000; 10]);
        assert_eq!(
            splits.train.sha256(),
            "41d84ee5d85d10f0e946aa5b1c5fae2b33eb905d4e5a85b76b522419c8f91f72"
        );
        assert_eq!(
            splits.test.sha256(),
            "ce18b71889546cddd133f2ee68c32d63804ef7de5679666ebf782b3c1a2480f8"
        );
        assert!(
            splits.origin.contains("first 1,000 of each class"),
            "{}",
            splits.origin
        );
    }

    /// The folder of the embedded files is a folder like any other.
    #[test]
    fn the_same_files_from_a_folder_give_the_same_sets() {
        let (inside, outside) = (embedded().unwrap(), from_dir(Path::new(DATA)).unwrap());
        assert_eq!(inside.train.sha256(), outside.train.sha256());
        assert_eq!(inside.test.sha256(), outside.test.sha256());
    }

    #[test]
    fn the_normalisation_fits_the_subset_too() {
        let fitted = Normalise::fit(&embedded().unwrap().train).unwrap();
        let full = normalise();
        assert!((fitted.mean[0] - full.mean[0]).abs() < 0.005, "{fitted:?}");
        assert!((fitted.std[0] - full.std[0]).abs() < 0.005, "{fitted:?}");
    }

    /// `cargo test -p spectralkd-datasets -- --ignored`, with Debian's package installed.
    #[test]
    #[ignore = "needs the full set under /usr/share/datasets/fashion-mnist"]
    fn the_subset_is_the_documented_selection_of_the_full_set() {
        let (inside, full) = (embedded().unwrap(), from_dir(Path::new(FULL)).unwrap());
        assert_eq!(full.train.len(), 60_000);
        let chosen = full.train.class_balanced(1000).unwrap();
        let subset = full.train.subset(&chosen).unwrap();
        assert_eq!(subset.sha256(), inside.train.sha256());
        assert_eq!(full.test.sha256(), inside.test.sha256());
        let fitted = Normalise::fit(&full.train).unwrap();
        assert!((fitted.mean[0] - 0.286_040_6).abs() < 1e-6, "{fitted:?}");
        assert!((fitted.std[0] - 0.353_024_24).abs() < 1e-6, "{fitted:?}");
    }
}
