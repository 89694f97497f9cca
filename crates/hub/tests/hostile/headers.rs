//! Headers that are missing, or name another commit.

use spectralkd_hub::Cause;

use super::fails;
use crate::fixture::{COMMIT, sha256};
use crate::server::Answer;

#[test]
fn headers_that_are_missing() {
    let (cause, ..) = fails(|_| Answer::new(200).header("ETag", &sha256(b"x")).body(b"x"));
    assert!(cause.to_string().contains("X-Repo-Commit"), "{cause}");
    let (cause, ..) = fails(|_| Answer::new(200).header("X-Repo-Commit", COMMIT).body(b"x"));
    assert!(cause.to_string().contains("ETag"), "{cause}");
}

#[test]
fn another_commit_than_the_pinned_one() {
    let (cause, attempts, ..) = fails(|_| {
        Answer::new(200)
            .header("ETag", &sha256(b"x"))
            .header("X-Repo-Commit", &"f".repeat(40))
            .body(b"x")
    });
    assert_eq!(attempts, 1);
    assert_eq!(
        cause,
        Cause::OtherCommit {
            expected: COMMIT.to_owned(),
            actual: "f".repeat(40)
        }
    );
}
