//! What all sources have in common: samples, names, labels, and what identifies them.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::{golden, inline, many};
use spectralkd_datasets::{
    BatchRequest, Dataset, DatasetError, Geometry, ImageFolder, ImageSet, Pipeline, Raw, Sample,
    Subset, ViewKey, idx,
};
use tempfile::TempDir;

/// A folder with these pictures in it, from the golden one.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, picture) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(golden("pictures").join(picture), path).unwrap();
    }
    folder
}

#[test]
fn a_set_in_memory_gives_its_bytes() {
    let set = many(7, [3, 2, 5]);
    let data: &dyn Dataset = set.as_ref();
    assert_eq!((data.len(), data.is_empty()), (7, false));
    assert_eq!(data.classes(), ["a", "b", "c"]);
    assert_eq!((data.label(5), data.label(7)), (Some(2), None));
    let expected = Raw::new([3, 2, 5], set.image(5)).unwrap();
    assert_eq!(data.sample(5).unwrap(), Sample::Raw(expected));
    assert_eq!(data.digest().unwrap(), set.sha256());
    let error = data.sample(7).unwrap_err();
    assert!(
        matches!(error, DatasetError::Index { index: 7, len: 7 }),
        "{error}"
    );
}

#[test]
fn images_are_called_by_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes| fs::write(folder.path().join(name), bytes).unwrap();
    write(
        "t10k-images-idx3-ubyte",
        idx::encode_images(&[0; 12], 2, 3).unwrap(),
    );
    write(
        "t10k-labels-idx1-ubyte",
        idx::encode_labels(&[1, 0]).unwrap(),
    );
    let (_, set) = idx::evaluation_split(folder.path()).unwrap();
    let path = folder.path().join("t10k-images-idx3-ubyte");
    assert_eq!(set.name(1), format!("image 1 of {}", path.display()));
    let some = set.subset(&[1]).unwrap();
    assert!(some.name(0).contains("image 0 of a selection from"));
    assert_eq!(many(2, [1, 1, 1]).name(1), "image 1");

    let pictures = tree(&[("a/1.png", "small.png")]);
    let set = ImageFolder::open(pictures.path()).unwrap();
    assert_eq!(Path::new(&set.name(0)), set.path(0));
    assert!(set.name(1).contains(pictures.path().to_str().unwrap()));
}

#[test]
fn a_folder_gives_its_files() {
    let folder = tree(&[("b/1.png", "small.png"), ("a/2.jpg", "s444.jpg")]);
    let set = ImageFolder::open(folder.path()).unwrap();
    let data: &dyn Dataset = &set;
    assert_eq!((data.len(), data.classes().len()), (2, 2));
    assert_eq!((data.label(0), data.label(2)), (Some(0), None));
    let bytes = fs::read(golden("pictures/small.png")).unwrap();
    assert_eq!(data.sample(1).unwrap(), Sample::Encoded(bytes));
    assert!(matches!(data.sample(2), Err(DatasetError::Index { .. })));
}

/// Files that cannot be read or decoded are named, whichever way they come.
#[test]
fn the_first_bad_picture_is_named() {
    let folder = tree(&[("a/1.png", "small.png"), ("a/2.jpg", "s444.jpg")]);
    let set = Arc::new(ImageFolder::open(folder.path()).unwrap());
    let jpeg = fs::read(set.path(1)).unwrap();
    fs::write(set.path(1), &jpeg[..jpeg.len() / 2]).unwrap();
    let pipeline = Pipeline::new([8, 8], 3, Geometry::Centre { crop_pct: 0.9 });
    let subset: Arc<dyn Dataset> = Arc::new(Subset::new(set.clone(), vec![1]).unwrap());
    let error = |data: Arc<dyn Dataset>, index| {
        let loader = inline(data, &pipeline);
        loader.batch(&BatchRequest::plain(&[index])).unwrap_err()
    };
    for error in [
        pipeline
            .view_of(set.as_ref(), &ViewKey::plain(1))
            .unwrap_err(),
        error(set.clone(), 1),
        error(subset, 0),
    ] {
        assert!(
            matches!(&error, DatasetError::DamagedPicture { path, .. } if path == set.path(1)),
            "{error}"
        );
    }
    fs::remove_file(set.path(0)).unwrap();
    let error = error(set.clone(), 0);
    assert!(
        matches!(&error, DatasetError::Open { path, .. } if path == set.path(0)),
        "{error}"
    );
    let error = set.digest().unwrap_err();
    assert!(matches!(error, DatasetError::Open { .. }), "{error}");
}

#[test]
fn a_folders_digest_is_of_names_sizes_and_labels() {
    let files = [("a/1.png", "small.png"), ("b/2.png", "small.png")];
    let digest = |files: &[(&str, &str)]| {
        let folder = tree(files);
        ImageFolder::open(folder.path()).unwrap().digest().unwrap()
    };
    // Wherever it stands.
    let first = digest(&files);
    assert_eq!(first, digest(&files));
    assert_eq!(first.len(), 64);
    for other in [
        [("a/1.png", "small.png"), ("b/3.png", "small.png")],
        [("a/1.png", "small.png"), ("c/2.png", "small.png")],
        [("a/1.png", "small.png"), ("b/2.png", "grey.png")],
        [("a/1.png", "small.png"), ("a/2.png", "small.png")],
        [("1.png", "small.png"), ("2.png", "small.png")],
    ] {
        assert_ne!(first, digest(&other), "{other:?}");
    }
}

#[test]
fn a_subset_is_the_images_asked_for() {
    let whole: Arc<dyn Dataset> = many(9, [1, 2, 2]);
    let subset = Subset::new(whole.clone(), vec![8, 0, 8]).unwrap();
    assert_eq!((subset.len(), subset.classes()), (3, whole.classes()));
    assert_eq!((subset.label(0), subset.label(3)), (Some(2), None));
    assert_eq!(subset.sample(2).unwrap(), whole.sample(8).unwrap());
    assert_eq!(
        (subset.name(1), subset.indices()),
        (whole.name(0), &[8, 0, 8][..])
    );
    assert!(matches!(
        subset.sample(3),
        Err(DatasetError::Index { index: 3, len: 3 })
    ));
    // Its views are drawn by its own indices.
    let pipeline = Pipeline::new([2, 2], 1, Geometry::AsIs);
    let view = pipeline.view_of(&subset, &ViewKey::plain(0)).unwrap();
    let there = pipeline
        .view_of(whole.as_ref(), &ViewKey::plain(8))
        .unwrap();
    assert_eq!(view.pixels, there.pixels);

    let digest = |indices: &[u32]| {
        let subset = Subset::new(whole.clone(), indices.to_vec()).unwrap();
        subset.digest().unwrap()
    };
    assert_eq!(digest(&[8, 0, 8]), subset.digest().unwrap());
    assert_ne!(digest(&[8, 0]), digest(&[0, 8]));
    assert_ne!(digest(&[0]), whole.digest().unwrap());

    let error = Subset::new(whole.clone(), vec![0, 9]).unwrap_err();
    assert!(matches!(error, DatasetError::Index { index: 9, len: 9 }));
    let error = Subset::new(whole, Vec::new()).unwrap_err();
    assert!(matches!(error, DatasetError::NoImages), "{error}");
}

#[test]
fn only_labelled_images_are_balanced() {
    let folder = tree(&[("1.png", "small.png"), ("2.png", "small.png")]);
    let set = ImageFolder::open(folder.path()).unwrap();
    let error = set.class_balanced(1).unwrap_err();
    assert!(matches!(error, DatasetError::NoLabels), "{error}");
    let classes = tree(&[
        ("a/1.png", "small.png"),
        ("b/2.png", "small.png"),
        ("b/3.png", "small.png"),
    ]);
    let set = ImageFolder::open(classes.path()).unwrap();
    assert_eq!(set.class_balanced(1).unwrap(), [0, 1]);
}

#[test]
fn raw_images_need_their_bytes() {
    for (shape, bytes) in [
        ([1, 2, 2], 3),
        ([3, 2, 2], 4),
        ([1, 0, 2], 0),
        ([1, usize::MAX, 2], 4),
    ] {
        let error = Raw::new(shape, vec![0; bytes]).unwrap_err();
        assert!(matches!(error, DatasetError::PixelCount { .. }), "{error}");
    }
    let error = Raw::new([2, 1, 1], vec![0; 2]).unwrap_err();
    assert!(matches!(error, DatasetError::Channels { channels: 2 }));
    let classes = vec!["a".to_owned()];
    let two = ImageSet::new([2, 1, 1], vec![0; 2], vec![0], classes).unwrap();
    let error = two.sample(0).unwrap_err();
    assert!(matches!(error, DatasetError::Channels { .. }), "{error}");
}
