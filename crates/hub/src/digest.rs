//! Digests by which the hub names the contents of a file, and which the cache uses as blob names.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The digest of a file's contents.
///
/// Large files (kept in LFS or Xet) are named by their SHA-256, 64 hex digits; small ones
/// are plain git objects, named by git's blob id, 40 hex digits: the SHA-1 of `blob `, the
/// size in decimal, a zero byte and the contents.
///
/// ```
/// use spectralkd_hub::Digest;
///
/// let empty = Digest::parse("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391").expect("40 hex digits");
/// assert!(matches!(empty, Digest::GitSha1(_)));
/// assert_eq!(empty.hex(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
/// assert!(Digest::parse("an etag of another kind").is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-256 of the contents.
    Sha256([u8; 32]),
    /// Git's blob id: SHA-1 of a header with the size, and the contents.
    GitSha1([u8; 20]),
}

impl Digest {
    /// Reads 64 hex digits as SHA-256 and 40 as git's SHA-1; lower case only, as the hub and
    /// the cache write them. `None` for everything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.len() {
            64 => Some(Self::Sha256(bytes_of_hex(text)?)),
            40 => Some(Self::GitSha1(bytes_of_hex(text)?)),
            _ => None,
        }
    }

    /// The digest in lower-case hex digits: the blob's name.
    #[must_use]
    pub fn hex(&self) -> String {
        let bytes: &[u8] = match self {
            Self::Sha256(bytes) => bytes,
            Self::GitSha1(bytes) => bytes,
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The digests of both kinds over what stands in the file `path`.
    pub(crate) fn both(path: &Path) -> io::Result<[Self; 2]> {
        Ok([
            Self::Sha256([0; 32]).recompute(path)?,
            Self::GitSha1([0; 20]).recompute(path)?,
        ])
    }

    /// The digest of the same kind over what stands in the file `path`.
    ///
    /// # Errors
    /// Whatever the operating system says about opening or reading the file.
    pub fn recompute(&self, path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        match self {
            Self::Sha256(_) => {
                let mut hasher = Sha256::new();
                feed(&mut file, |bytes| hasher.update(bytes))?;
                Ok(Self::Sha256(hasher.finalize().into()))
            }
            Self::GitSha1(_) => {
                let mut hasher = Sha1::new();
                hasher.update(format!("blob {}\0", file.metadata()?.len()));
                feed(&mut file, |bytes| hasher.update(bytes))?;
                Ok(Self::GitSha1(hasher.finalize().into()))
            }
        }
    }
}

/// "sha256 2cf2…" or "git sha1 e69d…", with all digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Sha256(_) => "sha256",
            Self::GitSha1(_) => "git sha1",
        };
        write!(f, "{kind} {}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn feed(file: &mut File, mut update: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn bytes_of_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let mut pairs = text.as_bytes().chunks_exact(2);
    for (byte, pair) in bytes.iter_mut().zip(&mut pairs) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // From `sha256sum` and `git hash-object` on a file holding "hello\n".
    const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    const GIT: &str = "ce013625030ba8dba906f756967f9e9ca394464a";

    #[test]
    fn both_kinds_agree_with_the_command_line_tools() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hello");
        std::fs::write(&path, "hello\n").unwrap();
        for hex in [SHA256, GIT] {
            let digest = Digest::parse(hex).unwrap();
            assert_eq!(digest.recompute(&path).unwrap(), digest);
            assert_eq!(digest.hex(), hex);
        }
        std::fs::write(&path, "hellp\n").unwrap();
        for hex in [SHA256, GIT] {
            let digest = Digest::parse(hex).unwrap();
            assert_ne!(digest.recompute(&path).unwrap(), digest);
        }
    }

    #[test]
    fn only_lower_case_hex_of_the_right_length_is_a_digest() {
        assert!(Digest::parse(&SHA256.to_uppercase()).is_none());
        assert!(Digest::parse(&SHA256[1..]).is_none());
        assert!(Digest::parse("").is_none());
        assert!(Digest::parse("../../../../../../../../../../../etc/passwd").is_none());
        assert!(Digest::parse(&"é".repeat(20)).is_none());
    }
}
