//! Fashion-MNIST (Xiao, Rasul and Vollgraf, arXiv 1708.07747): 28x28 grey photographs of
//! Zalando's articles in ten classes, 60,000 to train on and 10,000 to test on. MIT licence,
//! copyright 2017 Zalando SE (see `data/LICENSE-fashion-mnist` in this crate).

use std::path::Path;

use crate::idx::folder::{self, find};
use crate::idx::{self, Images};
use crate::{DatasetError, ImageSet, Normalise, Result};

/// The names of the classes, in the order of their labels.
pub const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Channels, height and width of every image.
pub const SHAPE: [usize; 3] = [1, 28, 28];

/// The names of the files of images and labels of the training split, without `.gz`.
pub const TRAIN_FILES: [&str; 2] = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];

/// The names of the files of images and labels of the test split, without `.gz`.
pub const TEST_FILES: [&str; 2] = ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// The two splits, and where they come from.
#[derive(Clone, Debug)]
pub struct Splits {
    /// The images to train on.
    pub train: ImageSet,
    /// The images to test on: always from the original test split.
    pub test: ImageSet,
    /// A sentence on the source, for reports.
    pub origin: String,
}

/// The normalisation by mean and standard deviation of the 60,000 training images: 0.2860
/// and 0.3530.
pub fn normalise() -> Normalise {
    Normalise {
        mean: vec![0.2860],
        std: vec![0.3530],
    }
}

/// The copy inside this crate: the first 1,000 images of each class of the training split,
/// in the order of the original file, and the whole test split.
///
/// Unpacking takes about a tenth of a second: call it once.
///
/// ```
/// let splits = spectralkd_datasets::fashion_mnist::embedded()?;
/// assert_eq!((splits.train.len(), splits.test.len()), (10_000, 10_000));
/// assert_eq!(splits.train.class_counts(), [1000; 10]);
/// # Ok::<(), spectralkd_datasets::DatasetError>(())
/// ```
///
/// # Errors
/// Those of [`from_dir`] on files; the embedded ones are tested to have none.
#[cfg(feature = "embedded")]
pub fn embedded() -> Result<Splits> {
    let split = |names: [&str; 2], images: &[u8], labels: &[u8]| {
        let [images_path, labels_path] =
            names.map(|name| std::path::PathBuf::from(format!("(embedded)/{name}.gz")));
        pair(
            idx::decode_images(images, &images_path)?,
            &images_path,
            idx::decode_labels(labels, CLASSES.len(), &labels_path)?,
            &labels_path,
        )
    };
    let train = split(
        TRAIN_FILES,
        include_bytes!("../data/train-images-idx3-ubyte.gz"),
        include_bytes!("../data/train-labels-idx1-ubyte.gz"),
    )?;
    let test = split(
        TEST_FILES,
        include_bytes!("../data/t10k-images-idx3-ubyte.gz"),
        include_bytes!("../data/t10k-labels-idx1-ubyte.gz"),
    )?;
    let origin = "Fashion-MNIST, embedded: the first 1,000 of each class of the 60,000 training \
                  images, in file order, and all 10,000 test images"
        .to_owned();
    Ok(Splits {
        train,
        test,
        origin,
    })
}

/// The splits in a folder that holds the four original files ([`TRAIN_FILES`],
/// [`TEST_FILES`]), each plain or with `.gz` (the plain one is taken where both are there).
/// The number of images is free; their size and the range of their labels are not.
///
/// # Errors
/// A [`DatasetError`] that names the file, what is wrong with it, and what to do.
pub fn from_dir(folder: &Path) -> Result<Splits> {
    let split = |names: [&str; 2]| {
        let [images, labels] = names.map(|name| find(folder, name));
        let (images, labels) = (images?, labels?);
        pair(
            idx::read_images(&images)?,
            &images,
            idx::read_labels(&labels, CLASSES.len())?,
            &labels,
        )
    };
    let (train, test) = (split(TRAIN_FILES)?, split(TEST_FILES)?);
    let origin = format!(
        "Fashion-MNIST from \"{}\": {} training and {} test images",
        folder.display(),
        train.len(),
        test.len()
    );
    Ok(Splits {
        train,
        test,
        origin,
    })
}

/// One split out of the contents of its two files.
fn pair(
    images: Images,
    images_path: &Path,
    labels: Vec<u8>,
    labels_path: &Path,
) -> Result<ImageSet> {
    let [_, height, width] = SHAPE;
    if [images.height, images.width] != [height, width] {
        return Err(DatasetError::ImageSize {
            path: images_path.to_owned(),
            set: "Fashion-MNIST",
            found: [images.height, images.width],
            expected: [height, width],
        });
    }
    folder::pair(
        images,
        images_path,
        labels,
        labels_path,
        CLASSES.map(str::to_owned).into(),
    )
}
