//! Folders of pictures: torchvision's order, every layout and every mistake that can be told.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spectralkd_datasets::{
    Batch, BatchRequest, DatasetError, Geometry, ImageFolder, Kind, Loader, Pipeline, Sample,
    ViewKey, idx, kind,
};
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

fn pipeline() -> Pipeline {
    Pipeline::new([12, 12], 3, Geometry::Centre { crop_pct: 0.9 })
}

fn load(set: ImageFolder, indices: &[u32]) -> Batch {
    let loader = Loader::new(Arc::new(set), Arc::new(pipeline()), 0, 0).unwrap();
    loader.batch(&BatchRequest::plain(indices)).unwrap()
}

fn relative(set: &ImageFolder) -> Vec<String> {
    let path = |i| set.path(i).strip_prefix(set.folder()).unwrap();
    (0..set.len())
        .map(|i| path(i).to_str().unwrap().to_owned())
        .collect()
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

/// What `torchvision.datasets.ImageFolder` lists for the same tree (0.29, run), less its class
/// `.cache`.
#[test]
fn classes_and_pictures_stand_in_torchvisions_order() {
    let folder = tree(&CLASSES);
    assert_eq!(kind(folder.path()).unwrap(), Kind::Classes);
    let set = ImageFolder::open(folder.path()).unwrap();
    assert_eq!(set.classes(), ["B", "a b", "b", "ä"]);
    let expected = [
        ("B/one.png", 0),
        ("a b/q.Jpeg", 1),
        ("b/.dotted.png", 2),
        ("b/1.png", 2),
        ("b/10.PNG", 2),
        ("b/2.jpeg", 2),
        ("b/Sub/w.JPG", 2),
        ("b/sub/y.jpg", 2),
        ("b/sub dir/x.png", 2),
        ("b/sub/deep/z.png", 2),
        ("ä/two.png", 3),
    ];
    assert_eq!(relative(&set), expected.map(|(path, _)| path));
    let labels: Vec<Option<u32>> = (0..set.len()).map(|i| set.label(i)).collect();
    assert_eq!(labels, expected.map(|(_, label)| Some(label)));
    assert_eq!((set.len(), set.label(set.len())), (11, None));
}

#[test]
fn pictures_alone_have_no_labels() {
    let folder = tree(&["b.png", "a.jpg", "notes.txt", ".hidden/c.png"]);
    assert_eq!(kind(folder.path()).unwrap(), Kind::Pictures);
    let set = ImageFolder::open(folder.path()).unwrap();
    assert_eq!(relative(&set), ["a.jpg", "b.png"]);
    assert!(set.classes().is_empty() && set.label(0).is_none());
    let batch = load(set, &[1]);
    assert_eq!((batch.labels, batch.classes), (None, 0));
}

#[test]
fn a_batch_is_the_pictures_in_the_order_asked_for() {
    let folder = tree(&CLASSES);
    let set = ImageFolder::open(folder.path()).unwrap();
    let paths: Vec<PathBuf> = (0..set.len()).map(|i| set.path(i).to_owned()).collect();
    let indices = [10, 1, 3, 1];
    let batch = load(set, &indices);
    assert_eq!((batch.shape, batch.classes), ([4, 3, 12, 12], 4));
    assert_eq!(batch.indices(), indices);
    assert_eq!(batch.labels.as_deref(), Some(&[3, 1, 2, 1][..]));
    for (row, index) in indices.into_iter().enumerate() {
        let file = Sample::Encoded(fs::read(&paths[index as usize]).unwrap());
        let view = pipeline().view(&file, &ViewKey::plain(0)).unwrap();
        assert_eq!(batch.view(row), view.pixels);
    }
}

/// Both functions refuse the folder, naming it, with these words.
fn refused(files: &[&str], words: &[&str]) {
    let folder = tree(files);
    for error in [
        kind(folder.path()).unwrap_err(),
        ImageFolder::open(folder.path()).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.contains(folder.path().to_str().unwrap()), "{text}");
        for word in words {
            assert!(text.contains(word), "no {word:?} in: {text}");
        }
    }
}

#[test]
fn folders_of_another_layout_are_explained() {
    refused(&[], &["is empty", "per class", "IDX"]);
    refused(
        &["a.txt", "b.csv"],
        &["2 other files (\"a.txt\"", "per class"],
    );
    refused(&["a/1.png", "2.png"], &["2.png", "\"a\"", "move"]);
    refused(
        &["train/a/1.png", "val/a/1.png"],
        &["splits", "train", "val", "one split"],
    );
    refused(&["a.png", "b.webp"], &["b.webp", "JPEG and PNG"]);

    let folder = tree(&["a/1.png", "b/x.txt"]);
    let error = ImageFolder::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("/b\"") && error.contains("without pictures"),
        "{error}"
    );
    let folder = tree(&["a/1.png", "a/deep/2.TIFF"]);
    let error = ImageFolder::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("2.TIFF"), "{error}");

    let file = folder.path().join("a/1.png");
    for error in [
        kind(&file).unwrap_err(),
        ImageFolder::open(&file).unwrap_err(),
    ] {
        assert!(error.to_string().contains("is a file"), "{error}");
    }
    let nothing = folder.path().join("nothing");
    let error = kind(&nothing).unwrap_err();
    assert!(
        matches!(&error, DatasetError::Open { path, .. } if *path == nothing),
        "{error}"
    );
}

/// A set of which only `val` is given is no split folder: class names decide, not depth.
#[test]
fn a_class_may_be_called_test_beside_others() {
    let folder = tree(&["test/1.png", "control/1.png"]);
    let set = ImageFolder::open(folder.path()).unwrap();
    assert_eq!(set.classes(), ["control", "test"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;
    let real = tree(&["pictures/1.png", "pictures/more/2.png"]);
    let folder = tree(&["a/0.png"]);
    symlink(real.path().join("pictures"), folder.path().join("b")).unwrap();
    symlink(folder.path(), folder.path().join("a/up")).unwrap();
    symlink("/nonexistent", folder.path().join("a/broken")).unwrap();
    let set = ImageFolder::open(folder.path()).unwrap();
    assert_eq!(relative(&set), ["a/0.png", "b/1.png", "b/more/2.png"]);
}

#[test]
fn pictures_are_listed_without_being_read() {
    let folder = tempfile::tempdir().unwrap();
    for class in 0..10 {
        let class = folder.path().join(format!("n{class:08}"));
        fs::create_dir(&class).unwrap();
        for picture in 0..50 {
            // Empty: reading any would fail.
            fs::write(class.join(format!("{picture:05}.JPEG")), "").unwrap();
        }
    }
    let set = ImageFolder::open(folder.path()).unwrap();
    assert_eq!((set.len(), set.classes().len()), (500, 10));
    assert_eq!(set.label(499), Some(9));
    assert!(set.path(499).ends_with("n00000009/00049.JPEG"));
    let error = pipeline().view_of(&set, &ViewKey::plain(7)).unwrap_err();
    assert!(error.to_string().contains("empty file"), "{error}");
}

fn write_idx(folder: &Path, split: &str, labels: &[u8]) {
    let pixels: Vec<u8> = (0..labels.len() * 6).map(|i| i as u8).collect();
    let images = idx::encode_images(&pixels, 2, 3).unwrap();
    fs::write(folder.join(format!("{split}-images-idx3-ubyte")), images).unwrap();
    let labels = idx::encode_labels(labels).unwrap();
    fs::write(folder.join(format!("{split}-labels-idx1-ubyte")), labels).unwrap();
}

#[test]
fn idx_folders_are_told_and_their_evaluation_split_is_found() {
    let folder = tempfile::tempdir().unwrap();
    write_idx(folder.path(), "mine", &[2, 0]);
    assert_eq!(kind(folder.path()).unwrap(), Kind::Idx);
    let (name, set) = idx::evaluation_split(folder.path()).unwrap();
    assert_eq!((name.as_str(), set.shape()), ("mine", [1, 2, 3]));
    assert_eq!(
        (set.labels(), set.classes()),
        (&[2, 0][..], &["0", "1", "2"].map(str::to_owned)[..])
    );

    write_idx(folder.path(), "train", &[1]);
    let error = idx::evaluation_split(folder.path())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("mine") && error.contains("train") && error.contains("t10k"),
        "{error}"
    );
    write_idx(folder.path(), "t10k", &[1, 1, 1]);
    let (name, set) = idx::evaluation_split(folder.path()).unwrap();
    assert_eq!((name.as_str(), set.len()), ("t10k", 3));
    assert_eq!(
        idx::splits(folder.path()).unwrap(),
        ["mine", "t10k", "train"]
    );
    assert_eq!(idx::read_split(folder.path(), "train").unwrap().len(), 1);

    fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
    let error = idx::evaluation_split(folder.path()).unwrap_err();
    assert!(
        matches!(&error, DatasetError::Missing { name, .. } if name == "t10k-labels-idx1-ubyte"),
        "{error}"
    );
    let error = ImageFolder::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("no pictures"), "{error}");
}
