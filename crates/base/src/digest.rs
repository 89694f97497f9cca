//! SHA-256 in hex digits: by which records name files and data.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::FileError;

/// SHA-256 of bytes, as 64 hex digits.
///
/// ```
/// let digest = spectralkd_base::digest::sha256(b"abc");
/// assert!(digest.starts_with("ba7816bf") && digest.len() == 64);
/// ```
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

/// SHA-256 of a file, as 64 hex digits. It is read in pieces: memory does not grow with it.
///
/// # Errors
/// [`FileError::Read`].
pub fn file_sha256(path: &Path) -> Result<String, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => return Ok(hex(hasher.finalize())),
            read => hasher.update(&piece[..read]),
        }
    }
}

fn hex(digest: impl IntoIterator<Item = u8>) -> String {
    digest.into_iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B: "abc", and a million times "a".
    #[test]
    fn digests_are_those_of_the_standard() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for (bytes, expected) in [(b"abc".to_vec(), abc), (vec![b'a'; 1_000_000], million)] {
            assert_eq!(sha256(&bytes), expected);
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(file_sha256(&path).unwrap(), expected);
        }
        let missing = file_sha256(&folder.path().join("none"));
        assert!(matches!(missing, Err(FileError::Read { .. })));
    }
}
