//! Folders of results: made, held by one process at a time, moved aside and never deleted.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::FileError;

/// Makes a folder and those above it, where they are not there.
///
/// # Errors
/// [`FileError::Folder`].
pub fn make(folder: &Path) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(failed(folder))
}

/// A folder that this process holds until this is dropped; the system lets go of it when the process ends, however it
/// ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes hold of a folder, through a file `.lock` in it.
    ///
    /// # Errors
    /// [`FileError::InUse`] where another process (or another `Lock`) holds it, [`FileError::Folder`] where the file
    /// cannot be made.
    pub fn take(folder: &Path) -> Result<Self, FileError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(".lock"))
            .map_err(failed(folder))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(FileError::InUse {
                folder: folder.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(failed(folder)(source)),
        }
    }
}

/// Renames a folder to the first free `NAME.1`, `NAME.2`, … beside it; its new path.
///
/// # Errors
/// [`FileError::InUse`] where another process works in it, [`FileError::Folder`] where it cannot be renamed.
pub fn move_aside(folder: &Path) -> Result<PathBuf, FileError> {
    drop(Lock::take(folder)?);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let aside = (1u64..)
        .map(|n| folder.with_file_name(format!("{name}.{n}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| folder.to_owned());
    fs::rename(folder, &aside).map_err(failed(folder))?;
    Ok(aside)
}

fn failed(folder: &Path) -> impl FnOnce(std::io::Error) -> FileError + '_ {
    move |source| FileError::Folder {
        folder: folder.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_aside_keeps_every_earlier_folder() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("quick");
        for n in 1..=2 {
            make(&root).unwrap();
            fs::write(root.join("mark"), n.to_string()).unwrap();
            let aside = move_aside(&root).unwrap();
            assert_eq!(aside, dir.path().join(format!("quick.{n}")));
        }
        assert!(!root.exists());
        for n in 1..=2 {
            let mark = dir.path().join(format!("quick.{n}")).join("mark");
            assert_eq!(fs::read_to_string(mark).unwrap(), n.to_string());
        }
    }

    #[test]
    fn a_held_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path()).unwrap();
        for error in [
            Lock::take(dir.path()).unwrap_err(),
            move_aside(dir.path()).unwrap_err(),
        ] {
            assert!(matches!(error, FileError::InUse { .. }), "{error}");
        }
        drop(held);
        assert!(Lock::take(dir.path()).is_ok());
    }

    #[test]
    fn a_file_in_the_way_is_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = make(&dir.path().join("file").join("folder")).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
