//! Folders of IDX files: pairs of `NAME-images-idx3-ubyte` and `NAME-labels-idx1-ubyte`, each
//! plain or with `.gz`, as MNIST and its successors are handed out.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{Images, read_images, read_labels};
use crate::listing::entries;
use crate::{DatasetError, ImageSet, Result};

const IMAGES: &str = "-images-idx3-ubyte";
const LABELS: &str = "-labels-idx1-ubyte";
/// What the split to evaluate on is called, the best name first.
const EVALUATED: [&str; 4] = ["t10k", "test", "val", "validation"];

/// The names of the splits in a folder, such as `t10k` and `train`: those of its files of
/// images, sorted.
///
/// # Errors
/// [`DatasetError::Open`] if the folder cannot be listed.
pub fn splits(folder: &Path) -> Result<Vec<String>> {
    let names = entries(folder)?.into_iter().map(|entry| entry.file_name());
    let splits: BTreeSet<String> = names
        .filter_map(|name| split_of(&name, IMAGES).map(str::to_owned))
        .collect();
    Ok(splits.into_iter().collect())
}

/// Reads the split called `split`: grey images of any size, `[N, 1, H, W]`. The classes are
/// `0` up to the largest label; the file does not name them.
///
/// # Errors
/// [`DatasetError::Missing`] if a file of the pair is not there, [`DatasetError::CountMismatch`] if they
/// do not belong together, and those of [`read_images`] and [`read_labels`].
pub fn read_split(folder: &Path, split: &str) -> Result<ImageSet> {
    let images_path = find(folder, &format!("{split}{IMAGES}"))?;
    let labels_path = find(folder, &format!("{split}{LABELS}"))?;
    let images = read_images(&images_path)?;
    let labels = read_labels(&labels_path, 256)?;
    let largest = labels.iter().max().copied().unwrap_or(0);
    let classes = (0..=largest).map(|label| label.to_string()).collect();
    pair(images, &images_path, labels, &labels_path, classes)
}

/// Reads the split to evaluate on, and gives its name: `t10k`, or else `test`, `val`,
/// `validation`, or else the only one there.
///
/// # Errors
/// [`DatasetError::Folder`] if none of these is there, and those of [`read_split`].
pub fn evaluation_split(folder: &Path) -> Result<(String, ImageSet)> {
    let splits = splits(folder)?;
    let known = EVALUATED
        .into_iter()
        .find(|&name| splits.iter().any(|s| s == name));
    let split = match (known, splits.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        _ => {
            return Err(DatasetError::Folder {
                folder: folder.to_owned(),
                found: format!("has the IDX splits {splits:?}"),
                expected: "the one to evaluate on is called t10k, test, val or validation, or is the only one: \
                           rename its files to NAME-images-idx3-ubyte and NAME-labels-idx1-ubyte",
            });
        }
    };
    Ok((split.to_owned(), read_split(folder, split)?))
}

/// Whether a file of this name is one of images or labels.
pub(crate) fn is_idx(name: &OsStr) -> bool {
    split_of(name, IMAGES).is_some() || split_of(name, LABELS).is_some()
}

/// The split whose file of this kind has this name.
fn split_of<'a>(name: &'a OsStr, kind: &str) -> Option<&'a str> {
    let name = name.to_str()?;
    name.strip_suffix(".gz").unwrap_or(name).strip_suffix(kind)
}

/// The file of this name in the folder, with or without `.gz`.
pub(crate) fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))]
        .into_iter()
        .find(|path| path.exists())
        .ok_or_else(|| DatasetError::Missing {
            folder: folder.to_owned(),
            name: name.to_owned(),
        })
}

/// One split out of the contents of its two files.
pub(crate) fn pair(
    images: Images,
    images_path: &Path,
    labels: Vec<u8>,
    labels_path: &Path,
    classes: Vec<String>,
) -> Result<ImageSet> {
    if images.count != labels.len() {
        return Err(DatasetError::CountMismatch {
            images_path: images_path.to_owned(),
            images: images.count,
            labels_path: labels_path.to_owned(),
            labels: labels.len(),
        });
    }
    let labels = labels.into_iter().map(u32::from).collect();
    let set = ImageSet::new(
        [1, images.height, images.width],
        images.pixels,
        labels,
        classes,
    )?;
    Ok(set.named(images_path.display().to_string()))
}
