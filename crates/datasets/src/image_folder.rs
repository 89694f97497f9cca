//! Folders of pictures: one folder per class, or pictures alone.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::listing::{Listing, pictures_below};
use crate::picture::Picture;
use crate::{DatasetError, Preprocess, Result};

/// The pictures of a folder, found but not read: opening ImageNet's 50,000 takes a fraction of
/// a second and a few megabytes.
///
/// Two layouts are known.
///
/// - **A folder per class**, as torchvision's `ImageFolder` has it: classes are the sub-folders'
///   names in the order of their bytes, label 0 first; pictures are in the order of torchvision
///   too (each folder's own by name, then those of its sub-folders). Hidden folders (`.name`)
///   are left out, which torchvision would count as classes.
/// - **Pictures alone**, by name, without labels: for features and predictions.
///
/// Files with other endings than [`EXTENSIONS`](crate::EXTENSIONS) (in any case) are no pictures and are passed
/// over, but those that torchvision would read (`.bmp .pgm .ppm .tif .tiff .webp`) are an error,
/// since without them the set would be another.
///
/// ```no_run
/// use spectralkd_datasets::{ImageFolder, Normalise, Preprocess};
///
/// let folder = ImageFolder::open("imagenet/val".as_ref())?;
/// let preprocess = Preprocess { size: [224, 224], crop_pct: 0.9, normalise: Normalise::imagenet() };
/// let batch = folder.batch(&[0, 1, 2], &preprocess)?;
/// assert_eq!(batch.images.dims(), [3, 3, 224, 224]);
/// # Ok::<(), spectralkd_datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageFolder {
    folder: PathBuf,
    classes: Vec<String>,
    paths: Vec<PathBuf>,
    /// One per path, or none at all.
    labels: Vec<u32>,
}

/// Pictures as a model takes them, on the CPU.
#[derive(Clone, Debug)]
pub struct PictureBatch {
    /// The preprocessed pictures, `[B, 3, H, W]` in f32.
    pub images: Tensor,
    /// Their classes, `[B]` in u32; `None` for a folder without classes.
    pub labels: Option<Tensor>,
    /// Where they stand in the folder.
    pub indices: Vec<u32>,
}

impl ImageFolder {
    /// Finds the pictures in `folder`; reads none.
    ///
    /// # Errors
    /// [`DatasetError::Folder`] if it is no folder, has no pictures, a class without any,
    /// pictures beside class folders, or the folders of splits (`train`, `val`) in place of
    /// classes; [`DatasetError::UnsupportedPicture`] for a picture of another kind;
    /// [`DatasetError::Open`] or [`DatasetError::Read`] where the system refuses.
    pub fn open(folder: &Path) -> Result<Self> {
        let listing = Listing::of(folder)?;
        listing.check_layout()?;
        let mut found = Self {
            folder: folder.to_owned(),
            classes: Vec::with_capacity(listing.folders.len()),
            paths: Vec::new(),
            labels: Vec::new(),
        };
        for name in &listing.folders {
            let class = folder.join(name);
            let pictures = pictures_below(&class)?;
            if pictures.is_empty() {
                return Err(DatasetError::Folder {
                    folder: class,
                    found: "is a class without pictures".to_owned(),
                    expected: "put .jpg, .jpeg or .png files into it, or remove the folder",
                });
            }
            let label = found.label_of_next_class()?;
            found
                .labels
                .resize(found.labels.len() + pictures.len(), label);
            found.paths.extend(pictures);
            found.classes.push(in_words(name));
        }
        let alone = listing.pictures.iter().map(|name| folder.join(name));
        found.paths.extend(alone);
        if u32::try_from(found.paths.len()).is_err() {
            return Err(DatasetError::TooManyImages {
                images: found.paths.len(),
            });
        }
        Ok(found)
    }

    fn label_of_next_class(&self) -> Result<u32> {
        u32::try_from(self.classes.len()).map_err(|_| DatasetError::TooManyImages {
            images: self.paths.len(),
        })
    }

    /// The folder that was opened.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The number of pictures, at least 1.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there are no pictures: never.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The names of the classes; label `k` means `classes()[k]`. Empty for pictures alone.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The class of picture `i`; `None` for pictures alone, and past the end.
    pub fn label(&self, i: usize) -> Option<u32> {
        self.labels.get(i).copied()
    }

    /// The file of picture `i`.
    ///
    /// # Panics
    /// If `i` is not below [`ImageFolder::len`], as for a slice.
    pub fn path(&self, i: usize) -> &Path {
        &self.paths[i]
    }

    /// Reads these pictures and brings them to the model's input, in parallel over rayon's
    /// current pool. The values do not depend on the number of threads, nor does the error:
    /// that of the first picture that has one.
    ///
    /// # Errors
    /// [`DatasetError::EmptyBatch`], [`DatasetError::Index`], those of [`Picture::read`] and
    /// of [`Preprocess::check`], or [`DatasetError::Tensor`] if candle fails.
    pub fn batch(&self, indices: &[u32], preprocess: &Preprocess) -> Result<PictureBatch> {
        preprocess.check()?;
        if indices.is_empty() {
            return Err(DatasetError::EmptyBatch);
        }
        let positions = self.positions(indices)?;
        let [height, width] = preprocess.size;
        let size = 3 * height * width;
        let mut values = vec![0f32; positions.len() * size];
        let outcomes: Vec<Result<()>> = values
            .par_chunks_exact_mut(size)
            .zip(&positions)
            .map(|(values, &i)| {
                let picture = Picture::read(&self.paths[i])?;
                preprocess.apply_into(&picture, values)
            })
            .collect();
        outcomes.into_iter().collect::<Result<()>>()?;

        let labels: Option<Vec<u32>> = positions.iter().map(|&i| self.label(i)).collect();
        let count = positions.len();
        Ok(PictureBatch {
            images: Tensor::from_vec(values, (count, 3, height, width), &Device::Cpu)?,
            labels: labels
                .map(|labels| Tensor::from_vec(labels, count, &Device::Cpu))
                .transpose()?,
            indices: indices.to_vec(),
        })
    }

    fn positions(&self, indices: &[u32]) -> Result<Vec<usize>> {
        let check = |&index: &u32| {
            let position = index as usize;
            if position < self.len() {
                Ok(position)
            } else {
                Err(DatasetError::Index {
                    index: index.into(),
                    len: self.len(),
                })
            }
        };
        indices.iter().map(check).collect()
    }
}

fn in_words(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}
