//! Image sets: what they refuse, what they choose, and what identifies them.

use spectralkd_datasets::{Dataset, DatasetError, ImageSet};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|k| format!("class {k}")).collect()
}

/// Five images of 1x1x2 pixels: image i is [10 i, 10 i + 1].
fn set(labels: [u32; 5]) -> ImageSet {
    let pixels = (0..5).flat_map(|i| [10 * i, 10 * i + 1]).collect();
    ImageSet::new([1, 1, 2], pixels, labels.to_vec(), names(3)).unwrap()
}

#[test]
fn images_and_labels_are_found_by_index() {
    let set = set([0, 1, 2, 1, 0]);
    assert_eq!((set.len(), set.shape()), (5, [1, 1, 2]));
    assert!(!set.is_empty());
    assert_eq!(set.image(3), [30, 31]);
    assert_eq!(set.labels(), [0, 1, 2, 1, 0]);
    assert_eq!(set.class_counts(), [2, 2, 1]);
    assert_eq!(set.classes()[2], "class 2");
}

#[test]
fn what_does_not_fit_is_refused() {
    let new = |shape, pixels: usize, labels: &[u32]| {
        ImageSet::new(shape, vec![0; pixels], labels.to_vec(), names(2)).unwrap_err()
    };
    let error = new([1, 2, 2], 0, &[]);
    assert!(matches!(error, DatasetError::Empty { .. }), "{error:?}");
    let error = new([1, 0, 2], 0, &[0]);
    assert!(matches!(error, DatasetError::Empty { .. }), "{error:?}");
    for pixels in [7, 9] {
        let error = new([1, 2, 2], pixels, &[0, 1]);
        assert!(
            matches!(error, DatasetError::PixelCount { .. }),
            "{error:?}"
        );
    }
    let error = new([usize::MAX, 2, 2], 8, &[0, 1]); // the product overflows
    assert!(
        matches!(error, DatasetError::PixelCount { .. }),
        "{error:?}"
    );
    let error = new([1, 2, 2], 8, &[0, 2]);
    let DatasetError::Label {
        index: 1,
        label: 2,
        classes: 2,
    } = error
    else {
        panic!("{error:?}");
    };
}

#[test]
fn a_balanced_choice_takes_the_first_of_each_class_in_order() {
    let set = set([2, 0, 0, 1, 2]);
    assert_eq!(set.class_balanced(1).unwrap(), [0, 1, 3]);
    assert!(set.class_balanced(0).unwrap().is_empty());
    let error = set.class_balanced(2).unwrap_err();
    let DatasetError::ClassTooSmall {
        class: 1,
        found: 1,
        wanted: 2,
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains("class 1"), "{error}");
}

#[test]
fn a_class_without_images_cannot_be_balanced() {
    let error = set([0, 0, 1, 1, 1]).class_balanced(1).unwrap_err();
    assert!(
        matches!(
            error,
            DatasetError::ClassTooSmall {
                class: 2,
                found: 0,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn subsets_keep_the_order_asked_for() {
    let set = set([0, 1, 2, 1, 0]);
    let subset = set.subset(&[4u32, 1, 4]).unwrap();
    assert_eq!(subset.labels(), [0, 1, 0]);
    assert_eq!(subset.image(0), [40, 41]);
    assert_eq!(subset.image(1), [10, 11]);
    assert_eq!(subset.classes(), set.classes());
    assert_eq!(
        set.subset(&[4usize, 1, 4]).unwrap().sha256(),
        subset.sha256()
    );

    let error = set.subset(&[0usize, 5]).unwrap_err();
    assert!(
        matches!(error, DatasetError::Index { index: 5, len: 5 }),
        "{error:?}"
    );
    let error = set.subset(&[-1i32]).unwrap_err();
    assert!(
        matches!(error, DatasetError::Index { len: 5, .. }),
        "{error:?}"
    );
    let error = set.subset::<u32>(&[]).unwrap_err();
    assert!(matches!(error, DatasetError::Empty { .. }), "{error:?}");
}

#[test]
fn pixels_are_grey_levels_from_0_to_1() {
    let set = ImageSet::new([1, 1, 3], vec![0, 51, 255, 1, 2, 3], vec![0, 1], names(2)).unwrap();
    let rows = set.pixels(&[1, 0]).unwrap();
    assert_eq!(rows, [1.0 / 255.0, 2.0 / 255.0, 3.0 / 255.0, 0.0, 0.2, 1.0]);
    assert!(matches!(
        set.pixels(&[2]).unwrap_err(),
        DatasetError::Index { index: 2, len: 2 }
    ));
}

/// The checksum is over what its documentation says. The expected one is Python's, of
/// `struct.pack('<4Q4BI', 1, 1, 2, 2, 9, 8, 7, 6, 1)`.
#[test]
fn the_checksum_covers_shape_images_and_labels() {
    let make = |shape, pixels: [u8; 4], label| {
        let set = ImageSet::new(shape, pixels.to_vec(), vec![label], names(2)).unwrap();
        set.sha256().to_owned()
    };
    let sum = make([1, 2, 2], [9, 8, 7, 6], 1);
    assert_eq!(sum, HAND_MADE);
    assert_ne!(make([1, 1, 4], [9, 8, 7, 6], 1), sum);
    assert_ne!(make([1, 2, 2], [9, 8, 7, 5], 1), sum);
    assert_ne!(make([1, 2, 2], [9, 8, 7, 6], 0), sum);
}

const HAND_MADE: &str = "9262ea267baa17549699e106582e9da251d76c294958ec4f94afe8324f3e5df2";
