//! Digests, commits and references that are paths out of the cache.

use std::fs;

use spectralkd_hub::Cause;

use super::fails;
use crate::fixture::{COMMIT, Client, sha256};
use crate::server::Answer;

#[test]
fn digests_and_commits_that_are_paths() {
    let traversal = "../".repeat(8) + "tmp/spectralkd-was-here";
    let etags = [
        traversal.as_str(),
        "/tmp/spectralkd-was-here",
        "..",
        "abc",
        "",
        &"Z".repeat(64),
        &"a".repeat(63),
    ];
    for etag in etags.map(str::to_owned) {
        let (cause, attempts, ..) = fails(move |_| {
            Answer::new(200)
                .header("ETag", &format!("\"{etag}\""))
                .header("X-Repo-Commit", COMMIT)
                .body(b"evil")
        });
        assert!(matches!(cause, Cause::NoHub { .. }), "{cause}");
        assert_eq!(attempts, 1);
    }
    for commit in [traversal.as_str(), "main", "", &"G".repeat(40)].map(str::to_owned) {
        let (cause, ..) = fails(move |_| {
            Answer::new(200)
                .header("ETag", &sha256(b"evil"))
                .header("X-Repo-Commit", &commit)
                .body(b"evil")
        });
        assert!(matches!(cause, Cause::NoHub { .. }), "{cause}");
    }
    assert!(!fs::exists("/tmp/spectralkd-was-here").unwrap());
}

#[test]
fn a_reference_in_the_cache_that_is_a_path_leads_nowhere() {
    let client = Client::of("http://127.0.0.1:9");
    fs::create_dir_all(client.repo().join("refs")).unwrap();
    fs::write(client.repo().join("refs/main"), "../../../elsewhere").unwrap();
    let outside = client.folder.path().join("elsewhere");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("model.safetensors"), "evil").unwrap();
    assert!(client.fetch("hf://owner/name").is_err());
    assert!(outside.join("model.safetensors").exists());
}
