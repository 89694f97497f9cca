//! A blob while it is being written.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::disk::in_io;
use crate::digest::Digest;
use crate::error::Result;

/// Who may write a blob.
#[derive(Debug)]
pub(crate) enum Lock {
    /// This process alone, until this is dropped.
    Held(#[expect(dead_code, reason = "held, not read")] File),
    /// Anybody: the file system knows no locks.
    Unavailable,
}

/// A blob in the making; dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Incomplete {
    pub(super) path: PathBuf,
    pub(super) blob: PathBuf,
    pub(super) file: File,
}

impl Incomplete {
    /// Appends `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        io::Write::write_all(&mut self.file, bytes).map_err(in_io("write", &self.path))
    }

    /// The digest of what has been written, of the same kind as `like`.
    pub(crate) fn digest(&self, like: &Digest) -> Result<Digest> {
        like.recompute(&self.path)
            .map_err(in_io("read", &self.path))
    }

    /// Puts the file on the disk and in the blob's place.
    pub(crate) fn finish(self) -> Result<()> {
        self.file.sync_all().map_err(in_io("sync", &self.path))?;
        fs::rename(&self.path, &self.blob).map_err(in_io("rename", &self.path))
    }
}

impl Drop for Incomplete {
    fn drop(&mut self) {
        // After `finish` there is nothing under this name; a failure leaves a file that the next attempt truncates.
        let _ = fs::remove_file(&self.path);
    }
}
