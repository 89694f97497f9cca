//! Disks that are full and file systems without symbolic links.

#[path = "server/fixture.rs"]
mod fixture;
#[path = "server/mod.rs"]
mod server;

use std::fs;

use fixture::{COMMIT, Client, PINNED, contents, file, good, sha256};
use server::Server;
use spectralkd_base::progress::Silent;
use spectralkd_hub::{HubError, Origin, Source};

/// `/dev/full` takes no byte: "no space left on device".
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_once_and_leaves_nothing() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&server.address());
    let blobs = client.repo().join("blobs");
    fs::create_dir_all(&blobs).unwrap();
    let unfinished = format!("{}.spectralkd.incomplete", sha256(&contents()));
    std::os::unix::fs::symlink("/dev/full", blobs.join(unfinished)).unwrap();

    let error = client.fetch(PINNED).unwrap_err();
    assert!(matches!(error, HubError::DiskFull { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("no space left")
            && text.contains("HF_HUB_CACHE")
            && text.contains(&*blobs.to_string_lossy()),
        "{text}"
    );
    assert_eq!(server.count("GET"), 1);
    assert!(client.files().is_empty(), "{:?}", client.files());
    // The next attempt finds room.
    assert_eq!(client.fetch(PINNED).unwrap().origin, Origin::Network);
}

/// What stands in the snapshot where there are no links, next to its blob.
fn planted_copy(client: &Client, contents: &[u8]) -> std::path::PathBuf {
    let link = client.plant(&sha256(contents), contents, COMMIT, "model.safetensors");
    fs::remove_file(&link).unwrap();
    fs::write(&link, contents).unwrap();
    link
}

#[test]
fn a_copy_beside_its_blob_is_verified_offline_and_kept_online() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&server.address());
    let copy = planted_copy(&client, &contents());

    let fetched = client.offline().fetch(&file(PINNED), &Silent).unwrap();
    assert_eq!((&fetched.path, fetched.origin), (&copy, Origin::Cache));
    assert_eq!(
        (fetched.digest.hex(), fetched.bytes),
        (sha256(&contents()), 200_000)
    );

    let branch = client.fetch("hf://owner/name").unwrap();
    assert_eq!((&branch.path, branch.origin), (&copy, Origin::Cache));
    assert_eq!(server.count("GET"), 0);
    assert!(
        fs::symlink_metadata(&copy).unwrap().is_file(),
        "left as it was"
    );
}

#[test]
fn a_changed_copy_is_not_trusted() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&server.address());
    let copy = planted_copy(&client, &contents());
    let mut changed = contents();
    changed[7] ^= 1;
    fs::write(&copy, changed).unwrap();

    let error = client.offline().fetch(&file(PINNED), &Silent).unwrap_err();
    assert!(matches!(error, HubError::Unverifiable { .. }), "{error}");
    let fetched = client.fetch(PINNED).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), contents());
    assert_eq!(server.count("GET"), 0, "the blob was good");
}

/// The cache cannot be written: one error that names the folder.
#[test]
fn a_cache_that_is_a_file() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&server.address());
    fs::write(&client.settings.cache, "no folder").unwrap();
    let error = client.fetch(PINNED).unwrap_err();
    assert!(matches!(error, HubError::Io { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(client.settings.cache.to_str().unwrap()),
        "{error}"
    );
}
