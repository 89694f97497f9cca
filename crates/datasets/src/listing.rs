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
    /// Pictures of kinds that are not read.
    unsupported: Vec<OsString>,
    others: Vec<OsString>,
}

impl Listing {
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let mut listing = Self {
            folder: folder.to_owned(),
            folders: Vec::new(),
            pictures: Vec::new(),
            unsupported: Vec::new(),
            others: Vec::new(),
        };
        for entry in entries(folder)? {
            let name = entry.file_name();
            if is_folder(&entry)? {
                if !is_hidden(&name) {
                    listing.folders.push(name);
                }
            } else {
                match ending(&name) {
                    Ending::Read => listing.pictures.push(name),
                    Ending::NotRead => listing.unsupported.push(name),
                    Ending::NoPicture => listing.others.push(name),
                }
            }
        }
        let Self {
            folders,
            pictures,
            unsupported,
            others,
            ..
        } = &mut listing;
        for names in [folders, pictures, unsupported, others] {
            names.sort_unstable();
        }
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
        // Beside folders of classes they would not count, whatever their kind.
        if let Some(name) = self.unsupported.first().filter(|_| self.folders.is_empty()) {
            return Err(unsupported(&self.folder, name));
        }
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
            } else {
                match ending(&name) {
                    Ending::Read => pictures.push(name),
                    Ending::NotRead => return Err(unsupported(&folder, &name)),
                    Ending::NoPicture => {}
                }
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

/// What the ending of a file's name, in any case, says.
enum Ending {
    Read,
    NotRead,
    NoPicture,
}

fn ending(name: &OsStr) -> Ending {
    let ending = Path::new(name).extension().and_then(OsStr::to_str);
    let ending = ending.unwrap_or_default().to_ascii_lowercase();
    if EXTENSIONS.contains(&&*ending) {
        Ending::Read
    } else if UNSUPPORTED.contains(&&*ending) {
        Ending::NotRead
    } else {
        Ending::NoPicture
    }
}

fn unsupported(folder: &Path, name: &OsStr) -> DatasetError {
    DatasetError::UnsupportedPicture {
        path: folder.join(name),
        found: "is called a picture of another kind".to_owned(),
    }
}
