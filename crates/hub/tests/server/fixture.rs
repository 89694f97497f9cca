//! A file on a hub of our own, and a client with an empty cache and no patience.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use spectralkd_base::progress::Silent;
use spectralkd_hub::{
    Cause, Fetched, Hub, HubError, Limits, Reference, RemoteFile, Result, Settings, Source, Token,
};
use tempfile::TempDir;

use crate::server::{Answer, Request};

pub const TOKEN: &str = "hf_loopbackSecret";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const PINNED: &str =
    "hf://owner/name@0123456789abcdef0123456789abcdef01234567/model.safetensors";

/// Two hundred thousand bytes without a period that a lost piece could hide in.
pub fn contents() -> Vec<u8> {
    (0..200_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What a hub answers for a large file holding `contents`: the body on GET, the headers on both.
pub fn good(contents: &[u8]) -> Answer {
    Answer::new(200)
        .header("ETag", &format!("\"{}\"", sha256(contents)))
        .header("X-Repo-Commit", COMMIT)
        .body(contents)
}

/// `on_get` for GET, the good headers for HEAD.
pub fn only_on_get(request: &Request, on_get: impl FnOnce() -> Answer) -> Answer {
    if request.method == "GET" {
        on_get()
    } else {
        good(&contents())
    }
}

pub fn file(text: &str) -> RemoteFile {
    text.parse::<Reference>()
        .unwrap()
        .file_or("model.safetensors")
        .unwrap()
}

pub struct Client {
    pub folder: TempDir,
    pub settings: Settings,
}

impl Client {
    pub fn of(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            endpoint: endpoint.to_owned(),
            cache: folder.path().join("hub"),
            token: Some(Token::new(TOKEN).unwrap()),
            local_files_only: false,
            limits: Limits {
                attempts: 3,
                idle: Duration::from_secs(5),
                total: Duration::from_secs(20),
                pause: Duration::from_millis(5),
            },
        };
        Self { folder, settings }
    }

    pub fn hub(&self) -> Hub {
        Hub::new(self.settings.clone())
    }

    pub fn offline(&self) -> Hub {
        Hub::new(Settings {
            local_files_only: true,
            ..self.settings.clone()
        })
    }

    pub fn fetch(&self, text: &str) -> Result<Fetched> {
        self.hub().fetch(&file(text), &Silent)
    }

    /// The cause and the number of attempts of a fetch that must fail in the network.
    pub fn failure(&self, text: &str) -> (Cause, u32) {
        match self.fetch(text).unwrap_err() {
            HubError::Fetch {
                cause, attempts, ..
            } => (*cause, attempts),
            other => panic!("{other}"),
        }
    }

    pub fn repo(&self) -> PathBuf {
        self.settings.cache.join("models--owner--name")
    }

    /// Every file and link in the temporary folder, relative to it, locks left out.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        let mut names: Vec<String> = found
            .iter()
            .map(|path| {
                path.strip_prefix(self.folder.path())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .filter(|name| !name.contains(".locks/"))
            .collect();
        names.sort();
        names
    }

    /// Puts `contents` into the cache by hand as Python does, under a blob named `digest`.
    pub fn plant(&self, digest: &str, contents: &[u8], commit: &str, name: &str) -> PathBuf {
        let (blobs, snapshot) = (
            self.repo().join("blobs"),
            self.repo().join("snapshots").join(commit),
        );
        fs::create_dir_all(&blobs).unwrap();
        fs::create_dir_all(&snapshot).unwrap();
        fs::write(blobs.join(digest), contents).unwrap();
        let link = snapshot.join(name);
        std::os::unix::fs::symlink(format!("../../blobs/{digest}"), &link).unwrap();
        link
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}
