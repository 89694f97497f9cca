//! Refusals, errors of the server and rate limits.

use std::time::{Duration, Instant};

use spectralkd_hub::Cause;

use super::{fails, recovers};
use crate::fixture::{PINNED, only_on_get};
use crate::server::Answer;

#[test]
fn refusals_are_not_repeated() {
    let table = [
        (401, "", Cause::Unauthorised, "HF_TOKEN"),
        (403, "GatedRepo", Cause::Forbidden, "gated"),
        (
            404,
            "",
            Cause::NotFound {
                what: "file, revision or repository",
            },
            "no such file",
        ),
        (
            404,
            "RepoNotFound",
            Cause::NotFound { what: "repository" },
            "no such repository",
        ),
        (
            404,
            "RevisionNotFound",
            Cause::NotFound { what: "revision" },
            "no such revision",
        ),
        (
            404,
            "EntryNotFound",
            Cause::NotFound { what: "file" },
            "no such file",
        ),
        (410, "", Cause::Status { status: 410 }, "410"),
    ];
    for (status, code, expected, words) in table {
        for on_head in [true, false] {
            let (cause, attempts, client, server) = fails(move |request| {
                let refusal = || Answer::new(status).header("X-Error-Code", code).body(b"no");
                if on_head {
                    refusal()
                } else {
                    only_on_get(request, refusal)
                }
            });
            assert_eq!((&cause, attempts), (&expected, 1), "{status} {code}");
            let text = client.fetch(PINNED).unwrap_err().to_string();
            assert!(
                text.contains(words) && text.contains(PINNED) && text.contains(&server.address()),
                "{text}"
            );
        }
    }
}

#[test]
fn server_errors_are_repeated_and_never_stored() {
    for status in [500, 502, 503, 504, 408] {
        for on_head in [true, false] {
            let (cause, attempts, ..) = fails(move |request| {
                let error = || Answer::new(status).body(b"<html>sorry</html>");
                if on_head {
                    error()
                } else {
                    only_on_get(request, error)
                }
            });
            assert_eq!((cause, attempts), (Cause::Status { status }, 3));
        }
        recovers(move || Answer::new(status).body(b"<html>sorry</html>"));
    }
}

#[test]
fn rate_limits_are_obeyed_within_reason() {
    let (cause, attempts, ..) = fails(|_| Answer::new(429));
    assert_eq!((cause, attempts), (Cause::RateLimited { wait: None }, 3));
    let (cause, attempts, ..) = fails(|_| Answer::new(429).header("Retry-After", "3600"));
    assert_eq!(
        (cause, attempts),
        (
            Cause::RateLimited {
                wait: Some(Duration::from_secs(3600))
            },
            1
        )
    );

    let started = Instant::now();
    recovers(|| Answer::new(429).header("Retry-After", "1"));
    assert!(started.elapsed() >= Duration::from_secs(1));
}
