//! What the cache asks of the file system.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::Digest;
use crate::error::{HubError, Result};

/// Digest and size of the file at `path`; `None` where there is none.
pub(super) fn check(path: &Path, like: &Digest) -> Result<Option<(Digest, u64)>> {
    let read = like
        .recompute(path)
        .and_then(|digest| Ok((digest, fs::metadata(path)?.len())));
    match read {
        Err(error) if is_absent(&error) => Ok(None),
        other => other.map(Some).map_err(in_io("read", path)),
    }
}

pub(super) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Whether `path` is no link, but has the contents of `blob`: as the same file, or as a copy.
pub(super) fn is_copy(path: &Path, blob: &Path, digest: &Digest) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    is_file
        && blob.is_file()
        && matches!(check(path, digest), Ok(Some((actual, _))) if actual == *digest)
}

/// A text that no other process or thread of this machine uses in a file name now.
pub(super) fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}.{next}", std::process::id())
}

/// Makes `name` show `blob`: by a symbolic link to `target`, where the file system has none by a
/// hard link, and where it has neither by a copy.
pub(super) fn second_name(
    symlink: impl FnOnce(&str, &Path) -> io::Result<()>,
    target: &str,
    blob: &Path,
    name: &Path,
) -> io::Result<()> {
    symlink(target, name)
        .or_else(|_| fs::hard_link(blob, name))
        .or_else(|_| fs::copy(blob, name).map(drop))
}

#[cfg(unix)]
pub(super) fn symlink(target: &str, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Elsewhere symbolic links take rights that most users do not have.
#[cfg(not(unix))]
pub(super) fn symlink(_target: &str, _link: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn create_parent(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(in_io("create the folder", folder))
}

pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if !is_absent(&error) => Err(in_io("remove", path)(error)),
        _ => Ok(()),
    }
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

pub(super) fn in_io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HubError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            HubError::DiskFull { path, source }
        }
        _ => HubError::Io {
            action,
            path,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_symbolic_links_the_name_is_a_file_with_the_contents() {
        let folder = tempfile::tempdir().unwrap();
        let (blob, name) = (folder.path().join("blob"), folder.path().join("name"));
        fs::write(&blob, "hello\n").unwrap();
        let none = |_: &str, _: &Path| Err(io::ErrorKind::Unsupported.into());
        second_name(none, "blob", &blob, &name).unwrap();
        assert!(fs::symlink_metadata(&name).unwrap().is_file());
        assert_eq!(fs::read(&name).unwrap(), b"hello\n");
        let git = "ce013625030ba8dba906f756967f9e9ca394464a"; // git hash-object of "hello\n"
        assert!(is_copy(&name, &blob, &Digest::parse(git).unwrap()));

        let error = second_name(none, "blob", &folder.path().join("no"), &name).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
