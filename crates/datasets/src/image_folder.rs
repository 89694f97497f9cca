//! Folders of pictures: one folder per class, or pictures alone.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::listing::{Listing, pictures_below};
use crate::{Dataset, DatasetError, Result, Sample};

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
/// use spectralkd_datasets::{Geometry, ImageFolder, Pipeline, ViewKey};
///
/// let folder = ImageFolder::open("imagenet/val".as_ref())?;
/// let pipeline = Pipeline::new([224, 224], 3, Geometry::Centre { crop_pct: 0.9 });
/// let view = pipeline.view_of(&folder, &ViewKey::plain(17))?;
/// assert_eq!(view.pixels.len(), 3 * 224 * 224);
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
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index).copied()
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>> {
        self.check(index)?;
        let path = &self.paths[index];
        let bytes = fs::read(path).map_err(|source| DatasetError::Open {
            path: path.clone(),
            source,
        })?;
        Ok(Sample::Encoded(bytes))
    }

    fn name(&self, index: usize) -> String {
        match self.paths.get(index) {
            Some(path) => path.display().to_string(),
            None => format!("picture {index} of {}", self.folder.display()),
        }
    }

    /// The SHA-256, in hexadecimal, over the names of the classes and, for every picture, its
    /// path within the folder, its size in bytes and its label. Looks at no picture's content,
    /// so that a picture replaced by another of the same size goes unnoticed.
    fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        let text = |hash: &mut Sha256, bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        hash.update((self.classes.len() as u64).to_le_bytes());
        for class in &self.classes {
            text(&mut hash, class.as_bytes());
        }
        for (index, path) in self.paths.iter().enumerate() {
            let size = fs::metadata(path).map_err(|source| DatasetError::Open {
                path: path.clone(),
                source,
            })?;
            let within = path.strip_prefix(&self.folder).unwrap_or(path);
            text(&mut hash, within.as_os_str().as_encoded_bytes());
            hash.update(size.len().to_le_bytes());
            hash.update(self.label(index).unwrap_or(u32::MAX).to_le_bytes());
        }
        Ok(crate::hexadecimal(&hash.finalize()))
    }
}

fn in_words(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}
