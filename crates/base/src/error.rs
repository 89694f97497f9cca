//! The error of this crate: a file or a folder could not be used.

use std::io;
use std::path::PathBuf;

/// What this crate's fallible functions return.
pub type Result<T> = std::result::Result<T, FileError>;

/// Why a file could not be read or put in its place, or a folder not be used.
///
/// For every variant but [`FileError::FolderSync`] the file that stood at the path
/// before, if any, is unchanged, and no temporary file is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The path names no file (it is empty, or ends in `..` or a root).
    #[error("cannot write to \"{}\": the path names no file; give a folder and a file name", path.display())]
    NoFileName {
        /// The path as given.
        path: PathBuf,
    },
    /// The temporary file next to the target could not be created.
    #[error(
        "cannot create a temporary file in \"{}\" to write \"{}\": {source}; \
         check that the folder exists, is writable and has space",
        folder.display(), path.display()
    )]
    Create {
        /// The file that was to be written.
        path: PathBuf,
        /// Its folder, where the temporary file belongs.
        folder: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Writing the contents, or forcing them to the disk, failed.
    #[error(
        "cannot write the contents of \"{}\": {source}; what stood there before, if anything, is unchanged",
        path.display()
    )]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// The operating system's reason, or the writer's own.
        source: io::Error,
    },
    /// The finished temporary file could not be renamed to the target.
    #[error(
        "cannot move the finished file to \"{}\": {source}; check that the path is no folder and may be replaced",
        path.display()
    )]
    Rename {
        /// The file that was to be written.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The new file is in place, but its folder could not be forced to the disk:
    /// after a power cut the old file may be back.
    #[error(
        "\"{}\" is written, but its folder \"{}\" could not be synced to the disk: {source}; \
         the new file may be lost in a power cut",
        path.display(), folder.display()
    )]
    FolderSync {
        /// The file that was written.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A value that JSON cannot hold.
    #[error("cannot write {} as JSON: {source}", path.display())]
    NoJson {
        /// The file that was to be written.
        path: PathBuf,
        /// What cannot be written.
        source: serde_json::Error,
    },
    /// A folder could not be made, held or renamed.
    #[error("cannot write {}: {source}; what was written before is untouched", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Another process holds a folder.
    #[error(
        "another process is working in {}: wait for it, or choose another folder with --out",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
}
