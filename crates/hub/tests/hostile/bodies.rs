//! Bodies that are cut short, damaged or without an end.

use spectralkd_hub::Cause;

use super::{fails, recovers};
use crate::fixture::{COMMIT, contents, good, only_on_get, sha256};
use crate::server::Answer;

fn truncated() -> Answer {
    Answer {
        body: contents()[..150_000].to_vec(),
        ..good(&contents())
    }
}

fn corrupted() -> Answer {
    let mut body = contents();
    body[123_456] ^= 1;
    Answer {
        body,
        ..good(&contents())
    }
}

#[test]
fn truncated_bodies() {
    let (cause, attempts, ..) = fails(|request| only_on_get(request, truncated));
    assert!(matches!(cause, Cause::Interrupted { .. }), "{cause}");
    assert_eq!(attempts, 3);
    recovers(truncated);
}

#[test]
fn bodies_that_are_shorter_than_the_file_but_say_so() {
    let short = || good(&contents()[..150_000]);
    let (cause, attempts, ..) = fails(move |request| only_on_get(request, short));
    assert_eq!(
        (cause, attempts),
        (
            Cause::Length {
                expected: 200_000,
                actual: 150_000
            },
            3
        )
    );
    recovers(short);
}

#[test]
fn corrupted_bodies() {
    let (cause, attempts, ..) = fails(|request| only_on_get(request, corrupted));
    assert!(matches!(cause, Cause::Damaged { .. }), "{cause}");
    assert!(cause.to_string().contains(&sha256(&contents())), "{cause}");
    assert_eq!(attempts, 3);
    recovers(corrupted);
}

#[test]
fn corrupted_small_files() {
    let (cause, ..) = fails(|_| {
        let id = "ce013625030ba8dba906f756967f9e9ca394464a"; // git hash-object of "hello\n"
        Answer::new(200)
            .header("ETag", id)
            .header("X-Repo-Commit", COMMIT)
            .body(b"hellp\n")
    });
    assert!(matches!(cause, Cause::Damaged { .. }), "{cause}");
}

#[test]
fn bodies_that_never_end() {
    let endless = || Answer {
        endless: true,
        claimed: None,
        ..good(&contents())
    };
    let (cause, ..) = fails(move |request| only_on_get(request, endless));
    assert!(
        matches!(
            cause,
            Cause::Length {
                expected: 200_000,
                ..
            }
        ),
        "{cause}"
    );
}
