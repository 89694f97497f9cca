//! The cache on disk, in the layout that Python's `huggingface_hub` reads and writes:
//!
//! ```text
//! models--owner--name/
//!   blobs/<digest>                    the contents, named by their digest
//!   snapshots/<commit>/<path>         a relative link to a blob
//!   refs/<branch or tag>              the commit it last meant
//! .locks/models--owner--name/<digest>.lock
//! ```

mod disk;
mod incomplete;

use std::error::Error as _;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use spectralkd_base::files::write_atomic;

use crate::digest::Digest;
use crate::error::Result;
use crate::reference::{RemoteFile, Repo, Revision, is_commit};
use disk::{
    check, create_parent, in_io, is_absent, is_copy, remove, second_name, sibling, symlink, unique,
};
pub(crate) use incomplete::{Incomplete, Lock};

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
    /// A file that is no link to a blob named by a digest, nor equal to one.
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
        write_atomic(&path, commit.as_bytes()).map_err(|error| {
            let reason = error
                .source()
                .and_then(|source| source.downcast_ref::<io::Error>());
            let kind = reason.map_or(io::ErrorKind::Other, io::Error::kind);
            in_io("write", &path)(io::Error::new(kind, error))
        })
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
            Ok(_) => return self.look_up_copy(file.repo(), link),
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

    /// Where the file system has no symbolic links, the snapshot holds a second name or a copy of
    /// the blob. It is what a blob's name says, if there is a blob named by its digest.
    fn look_up_copy(&self, repo: &Repo, path: PathBuf) -> Result<Found> {
        for digest in Digest::both(&path).map_err(in_io("read", &path))? {
            if let Ok(blob) = fs::metadata(self.blob(repo, &digest)) {
                let bytes = blob.len();
                return Ok(Found::Good {
                    path,
                    digest,
                    bytes,
                });
            }
        }
        Ok(Found::Unverifiable { path })
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

    /// A new, empty file beside the blob, which becomes it by [`Incomplete::finish`].
    pub(crate) fn begin(&self, repo: &Repo, digest: &Digest, lock: &Lock) -> Result<Incomplete> {
        let blob = self.blob(repo, digest);
        // Not `.incomplete` itself: Python keeps half a file there, to go on with. One name for
        // all who have the lock, so that what a killed process left is written over; without a
        // lock each has its own, or one could write into what another has just verified.
        let path = blob.with_extension(match lock {
            Lock::Held(_) => "spectralkd.incomplete".to_owned(),
            Lock::Unavailable => format!("{}.spectralkd.incomplete", unique()),
        });
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
        let blob = self.blob(file.repo(), digest);
        if fs::read_link(&link).is_ok_and(|present| present == Path::new(&target))
            || is_copy(&link, &blob, digest)
        {
            return Ok(link);
        }
        // Made beside and renamed, so that no reader finds the name missing or the file half.
        let beside = sibling(&link, &format!(".{}.link", unique()));
        let made =
            second_name(symlink, &target, &blob, &beside).and_then(|()| fs::rename(&beside, &link));
        if made.is_err() {
            // The error that ends it is the one to tell.
            let _ = fs::remove_file(&beside);
        }
        made.map_err(in_io("link", &link))?;
        Ok(link)
    }

    /// Takes the lock on a blob that Python and hf-hub take too (`flock`): `None` while somebody else has it.
    pub(crate) fn try_lock(&self, path: &Path) -> Result<Option<Lock>> {
        create_parent(path)?;
        let file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(in_io("open the lock", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock::Held(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some network file systems have no locks; the rename at the end keeps the cache whole without.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(path = %path.display(), %error, "no lock to be had; going on without");
                Ok(Some(Lock::Unavailable))
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

fn folder_name(repo: &Repo) -> String {
    format!("models--{}--{}", repo.owner(), repo.name())
}
