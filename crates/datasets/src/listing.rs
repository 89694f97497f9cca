//! What stands in a folder, and which layout of a data set that is.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use crate::idx::folder as idx_folder;
use crate::picture::EXTENSIONS;
use crate::{DatasetError, Result};

/// Endings that torchvision reads and this crate does not.
const UNSUPPORTED: [&str; 6] = ["bmp", "pgm", "ppm", "tif", "tiff", "webp"];
/// Folders of these names are splits of a data set and no classes.
const SPLITS: [&str; 5] = ["test", "train", "val", "valid", "validation"];
const EXPECTED: &str = "give a folder with one folder of .jpg, .jpeg or .png pictures per class, a folder of such \
     pictures alone, or one with IDX files (NAME-images-idx3-ubyte and NAME-labels-idx1-ubyte, plain or .gz)";

/// The layouts of a data set in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder of pictures per class: [`ImageFolder`](crate::ImageFolder) with labels.
    Classes,
    /// Pictures alone: [`ImageFolder`](crate::ImageFolder) without labels.
    Pictures,
    /// Pairs of IDX files: [`idx::evaluation_split`](crate::idx::evaluation_split).
    Idx,
}

/// Which data set stands in this folder, by the names in it alone.
///
/// # Errors
/// [`DatasetError::Folder`], saying what is there and what is expected;
/// [`DatasetError::UnsupportedPicture`] for a picture of another kind;
/// [`DatasetError::Open`] if the folder cannot be listed.
pub fn kind(folder: &Path) -> Result<Kind> {
    let listing = Listing::of(folder)?;
    if listing.others.iter().any(|name| idx_folder::is_idx(name)) {
        return Ok(Kind::Idx);
    }
    listing.check_layout()?;
    Ok(if listing.folders.is_empty() {
        Kind::Pictures
    } else {
        Kind::Classes
    })
}

/// The names in one folder, each list sorted by bytes; hidden folders are left out.
pub(crate) struct Listing {
    folder: PathBuf,
    pub(crate) folders: Vec<OsString>,
    pub(crate) pictures: Vec<OsString>,
    others: Vec<OsString>,
}

impl Listing {
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let mut listing = Self {
            folder: folder.to_owned(),
            folders: Vec::new(),
            pictures: Vec::new(),
            others: Vec::new(),
        };
        for entry in entries(folder)? {
            let name = entry.file_name();
            if is_folder(&entry)? {
                if !is_hidden(&name) {
                    listing.folders.push(name);
                }
            } else if is_picture(folder, &name)? {
                listing.pictures.push(name);
            } else {
                listing.others.push(name);
            }
        }
        listing.folders.sort_unstable();
        listing.pictures.sort_unstable();
        listing.others.sort_unstable();
        Ok(listing)
    }

    /// Whether this is a folder per class, or a folder of pictures.
    pub(crate) fn check_layout(&self) -> Result<()> {
        let wrong = |found: String, expected| {
            Err(DatasetError::Folder {
                folder: self.folder.clone(),
                found,
                expected,
            })
        };
        let lower = |name: &OsString| name.to_string_lossy().to_lowercase();
        match (self.folders.first(), self.pictures.first()) {
            (Some(class), Some(picture)) => wrong(
                format!("holds pictures ({picture:?}) beside folders ({class:?})"),
                "either every picture stands in the folder of its class, or there are no folders: move one of them away",
            ),
            (Some(_), None)
                if self
                    .folders
                    .iter()
                    .all(|name| SPLITS.contains(&&*lower(name))) =>
            {
                let names: BTreeSet<&OsString> = self.folders.iter().collect();
                wrong(
                    format!("holds the splits {names:?} and no classes"),
                    "give the folder of one split",
                )
            }
            (None, None) => {
                let found = match self.others.first() {
                    None => "is empty".to_owned(),
                    Some(first) => format!(
                        "holds no pictures and no folders, but {} other files ({first:?}, ...)",
                        self.others.len()
                    ),
                };
                wrong(found, EXPECTED)
            }
            _ => Ok(()),
        }
    }
}

/// The pictures in `folder` and all folders below it, in the order of Python's
/// `sorted(os.walk(folder))`: by the text of their folder's path, then by name.
pub(crate) fn pictures_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<(PathBuf, Vec<OsString>)> = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let mut pictures = Vec::new();
        for entry in entries(&folder)? {
            let name = entry.file_name();
            if is_folder(&entry)? {
                if !is_hidden(&name) && !leads_up(&entry)? {
                    open.push(folder.join(name));
                }
            } else if is_picture(&folder, &name)? {
                pictures.push(name);
            }
        }
        pictures.sort_unstable();
        found.push((folder, pictures));
    }
    // As text: "a b" comes before "a/b", which a comparison of paths by their parts turns round.
    found.sort_unstable_by(|(a, _), (b, _)| a.as_os_str().cmp(b.as_os_str()));
    let paths = found
        .iter()
        .flat_map(|(folder, names)| names.iter().map(|name| folder.join(name)));
    Ok(paths.collect())
}

pub(crate) fn entries(folder: &Path) -> Result<Vec<DirEntry>> {
    let listed = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>);
    listed.map_err(|source| match source.kind() {
        io::ErrorKind::NotADirectory => DatasetError::Folder {
            folder: folder.to_owned(),
            found: "is a file and no folder".to_owned(),
            expected: EXPECTED,
        },
        _ => DatasetError::Open {
            path: folder.to_owned(),
            source,
        },
    })
}

/// Whether this is a folder, or a link to one. A link that leads nowhere is none.
fn is_folder(entry: &DirEntry) -> Result<bool> {
    let kind = entry.file_type().map_err(in_reading(entry))?;
    Ok(kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()))
}

/// Whether this is a link to a folder that it stands in itself, at whatever depth.
fn leads_up(entry: &DirEntry) -> Result<bool> {
    if !entry.file_type().map_err(in_reading(entry))?.is_symlink() {
        return Ok(false);
    }
    let target = fs::canonicalize(entry.path()).map_err(in_reading(entry))?;
    let mut here = entry.path();
    here.pop();
    let here = fs::canonicalize(here).map_err(in_reading(entry))?;
    Ok(here.starts_with(target))
}

fn in_reading(entry: &DirEntry) -> impl FnOnce(io::Error) -> DatasetError {
    let path = entry.path();
    move |source| DatasetError::Read { path, source }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Whether the name is a picture's; an error where it is one of a kind that is not read.
fn is_picture(folder: &Path, name: &OsStr) -> Result<bool> {
    let Some(ending) = Path::new(name).extension().and_then(OsStr::to_str) else {
        return Ok(false);
    };
    let ending = ending.to_ascii_lowercase();
    if UNSUPPORTED.contains(&&*ending) {
        return Err(DatasetError::UnsupportedPicture {
            path: folder.join(name),
            found: format!("is called a .{ending} file"),
        });
    }
    Ok(EXTENSIONS.contains(&&*ending))
}
