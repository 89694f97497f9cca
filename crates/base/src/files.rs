//! Files that are either the old one or the new one, whatever happens in between.
//!
//! The contents go to a temporary file in the same folder, which is synced to the disk and
//! renamed onto the target; then the folder is synced. A reader never sees half a file; a
//! failing writer leaves the old file and nothing else. A process that is killed may leave a
//! hidden file `.NAME.PID.N.tmp` behind; it is safe to delete.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use spectralkd_base::files::{write_atomic, write_atomic_with};
//!
//! let path = folder.path().join("metrics.csv");
//! write_atomic(&path, b"epoch,loss\n")?;
//! write_atomic_with(&path, |out| {
//!     writeln!(out, "epoch,loss")?;
//!     writeln!(out, "0,2.3")
//! })?;
//! assert_eq!(std::fs::read_to_string(&path)?, "epoch,loss\n0,2.3\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

pub use crate::error::FileError;

/// Puts `bytes` at `path`, in place of whatever file stands there.
///
/// # Errors
/// [`FileError`], with the path and the operating system's reason. A missing folder is an
/// error: it is not made.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomic_with(path, |out| out.write_all(bytes))
}

/// Puts a value at `path` as indented JSON, in place of whatever file stands there.
///
/// # Errors
/// As [`write_atomic`], and [`FileError::NoJson`].
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|source| FileError::NoJson {
        path: path.to_owned(),
        source,
    })?;
    text.push('\n');
    write_atomic(path, text.as_bytes())
}

/// Puts what `f` writes at `path`, in place of whatever file stands there. `f` writes to a
/// buffer of its own file; it need not flush.
///
/// # Errors
/// [`FileError`]; in particular [`FileError::Write`] with the error of `f`, after which the
/// old file is unchanged and no temporary file is left (neither is one if `f` panics).
pub fn write_atomic_with(
    path: &Path,
    f: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    let failed = |source| FileError::Write {
        path: path.to_owned(),
        source,
    };
    write_atomic_file(path, |file| {
        let mut out = BufWriter::new(file);
        f(&mut out).and_then(|()| out.flush()).map_err(failed)
    })
}

/// Puts what `f` makes of an empty file at `path`, in place of whatever file stands there: for
/// what is not written from its beginning to its end. `f` may seek, and may fail with errors of
/// its own, after which the old file is unchanged and no temporary file is left.
///
/// # Errors
/// Those of `f`, and [`FileError`].
pub fn write_atomic_file<E: From<FileError>>(
    path: &Path,
    f: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let name = path.file_name().ok_or_else(|| FileError::NoFileName {
        path: path.to_owned(),
    })?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };

    let (mut file, temporary) =
        create_beside(folder, name).map_err(|source| FileError::Create {
            path: path.to_owned(),
            folder: folder.to_owned(),
            source,
        })?;
    f(&mut file)?;
    file.sync_all().map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })?;
    drop(file);
    fs::rename(&temporary.path, path).map_err(|source| FileError::Rename {
        path: path.to_owned(),
        source,
    })?;
    temporary.keep();
    sync_folder(folder).map_err(|source| FileError::FolderSync {
        path: path.to_owned(),
        folder: folder.to_owned(),
        source,
    })?;
    Ok(())
}

/// The path of a temporary file, which is deleted on drop.
struct Temporary {
    path: PathBuf,
    delete: bool,
}

impl Temporary {
    /// The file is no longer there under this name.
    fn keep(mut self) {
        self.delete = false;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.delete {
            // An error is on its way to the caller already; this one would hide it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Creates a new hidden file in `folder` that no other writer, in this process or another, uses.
fn create_beside(folder: &Path, name: &OsStr) -> io::Result<(File, Temporary)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut hidden = OsStr::new(".").to_owned();
        hidden.push(name);
        hidden.push(format!(".{}.{number}.tmp", process::id()));
        let path = folder.join(hidden);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, Temporary { path, delete: true })),
            // Left by a killed process that had our number: take the next name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Forces the folder's list of names to the disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems cannot sync a folder, and keep renames in order anyway.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Folders cannot be opened as files here; the rename itself is all there is.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
