//! The cache on disk, in the layout that Python's `huggingface_hub` reads and writes:
//!
//! ```text
//! models--owner--name/
//!   blobs/<digest>                    the contents, named by their digest
//!   snapshots/<commit>/<path>         a relative link to a blob
//!   refs/<branch or tag>              the commit it last meant
//! .locks/models--owner--name/<digest>.lock
//! ```

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use spectralkd_base::files::write_atomic;

use crate::digest::Digest;
use crate::error::{HubError, Result};
use crate::reference::{RemoteFile, Repo, Revision, is_commit};

/// One cache folder, with the paths in it.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// What the cache has under a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No such file.
    Nothing,
    /// The file, read and found to have the digest that names it.
    Good {
        path: PathBuf,
        digest: Digest,
        bytes: u64,
    },
    /// A file that is no link to a blob named by a digest.
    Unverifiable { path: PathBuf },
    /// A file with other contents than its name says; it and its link are gone now.
    Damaged { expected: Digest, actual: Digest },
}

impl Cache {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, repo: &Repo) -> PathBuf {
        self.root.join(folder_name(repo))
    }

    /// Where the contents with `digest` stand.
    pub(crate) fn blob(&self, repo: &Repo, digest: &Digest) -> PathBuf {
        self.folder(repo).join("blobs").join(digest.hex())
    }

    /// Where the file is seen at `commit`.
    pub(crate) fn snapshot(&self, file: &RemoteFile, commit: &str) -> PathBuf {
        self.folder(file.repo())
            .join("snapshots")
            .join(commit)
            .join(file.path())
    }

    /// The commit that the file's revision meant when it was last asked for, if that is known.
    pub(crate) fn commit(&self, file: &RemoteFile) -> Result<Option<String>> {
        match file.revision() {
            Revision::Commit(commit) => Ok(Some(commit.clone())),
            Revision::Name(name) => {
                let path = self.folder(file.repo()).join("refs").join(name);
                let text = match fs::read_to_string(&path) {
                    Err(error) if is_absent(&error) => return Ok(None),
                    other => other.map_err(in_io("read", &path))?,
                };
                // Anything but a commit would lead out of the snapshot folder, or nowhere.
                Ok(Some(text.trim().to_owned()).filter(|text| is_commit(text)))
            }
        }
    }

    /// Records that `name` means `commit` now.
    pub(crate) fn write_ref(&self, repo: &Repo, name: &str, commit: &str) -> Result<()> {
        let path = self.folder(repo).join("refs").join(name);
        create_parent(&path)?;
        write_atomic(&path, commit.as_bytes())
            .map_err(|error| in_io("write", &path)(io::Error::other(error)))
    }

    /// Finds the file as it was at `commit`, and holds it against the digest that names its blob.
    pub(crate) fn look_up(&self, file: &RemoteFile, commit: &str) -> Result<Found> {
        let link = self.snapshot(file, commit);
        let target = match fs::symlink_metadata(&link) {
            Err(error) if is_absent(&error) => return Ok(Found::Nothing),
            Err(error) => return Err(in_io("read", &link)(error)),
            Ok(metadata) if metadata.is_symlink() => {
                fs::read_link(&link).map_err(in_io("read the link", &link))?
            }
            Ok(_) => return Ok(Found::Unverifiable { path: link }),
        };
        let Some(digest) = target
            .file_name()
            .and_then(OsStr::to_str)
            .and_then(Digest::parse)
        else {
            return Ok(Found::Unverifiable { path: link });
        };
        match check(&link, &digest)? {
            None => Ok(Found::Nothing),
            Some((actual, bytes)) if actual == digest => Ok(Found::Good {
                path: link,
                digest,
                bytes,
            }),
            Some((actual, _)) => {
                remove(&link)?;
                remove(&self.blob(file.repo(), &digest))?;
                Ok(Found::Damaged {
                    expected: digest,
                    actual,
                })
            }
        }
    }

    /// The size in bytes of the blob with `digest`, if it is here and whole; a damaged one is removed.
    pub(crate) fn good_blob(&self, repo: &Repo, digest: &Digest) -> Result<Option<u64>> {
        let blob = self.blob(repo, digest);
        match check(&blob, digest)? {
            Some((actual, bytes)) if actual == *digest => Ok(Some(bytes)),
            Some(_) => remove(&blob).map(|()| None),
            None => Ok(None),
        }
    }

    /// A new, empty file beside the blob, which becomes it by [`Incomplete::finish`]. Call with the lock held.
    pub(crate) fn begin(&self, repo: &Repo, digest: &Digest) -> Result<Incomplete> {
        let blob = self.blob(repo, digest);
        // Not `.incomplete` itself: Python keeps half a file there, to go on with.
        let path = blob.with_extension("spectralkd.incomplete");
        create_parent(&path)?;
        let file = File::create(&path).map_err(in_io("create", &path))?;
        Ok(Incomplete { path, blob, file })
    }

    /// Makes the blob visible as the file at `commit`, in place of what was there. Returns the visible path.
    pub(crate) fn link(&self, file: &RemoteFile, commit: &str, digest: &Digest) -> Result<PathBuf> {
        let link = self.snapshot(file, commit);
        create_parent(&link)?;
        let ups = "../".repeat(file.path().split('/').count() + 1);
        let target = format!("{ups}blobs/{}", digest.hex());
        if fs::read_link(&link).is_ok_and(|present| present == Path::new(&target)) {
            return Ok(link);
        }
        // Made beside and renamed, so that no reader finds the name missing.
        let beside = sibling(&link, &format!(".{}.link", std::process::id()));
        remove(&beside)?;
        symlink_or_copy(&target, &self.blob(file.repo(), digest), &beside)
            .map_err(in_io("link", &link))?;
        fs::rename(&beside, &link).map_err(in_io("link", &link))?;
        Ok(link)
    }

    /// Takes the lock on a blob that Python and hf-hub take too (`flock`): `None` while somebody else has it.
    pub(crate) fn try_lock(&self, path: &Path) -> Result<Option<File>> {
        create_parent(path)?;
        let file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(in_io("open the lock", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some network file systems have no locks; the rename at the end keeps the cache whole without.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(path = %path.display(), %error, "no lock to be had; going on without");
                Ok(Some(file))
            }
        }
    }

    /// The lock file of a blob.
    pub(crate) fn lock_path(&self, repo: &Repo, digest: &Digest) -> PathBuf {
        self.root
            .join(".locks")
            .join(folder_name(repo))
            .join(format!("{}.lock", digest.hex()))
    }
}

/// A blob in the making; dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Incomplete {
    path: PathBuf,
    blob: PathBuf,
    file: File,
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

fn folder_name(repo: &Repo) -> String {
    format!("models--{}--{}", repo.owner(), repo.name())
}

/// Digest and size of the file at `path`; `None` where there is none.
fn check(path: &Path, like: &Digest) -> Result<Option<(Digest, u64)>> {
    let read = like
        .recompute(path)
        .and_then(|digest| Ok((digest, fs::metadata(path)?.len())));
    match read {
        Err(error) if is_absent(&error) => Ok(None),
        other => other.map(Some).map_err(in_io("read", path)),
    }
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

#[cfg(unix)]
fn symlink_or_copy(target: &str, blob: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link).or_else(|_| fs::copy(blob, link).map(drop))
}

#[cfg(not(unix))]
fn symlink_or_copy(_target: &str, blob: &Path, link: &Path) -> io::Result<()> {
    fs::copy(blob, link).map(drop)
}

fn create_parent(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(in_io("create the folder", folder))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if !is_absent(&error) => Err(in_io("remove", path)(error)),
        _ => Ok(()),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn in_io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HubError {
    let path = path.to_owned();
    move |source| HubError::Io {
        action,
        path,
        source,
    }
}
