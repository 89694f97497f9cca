//! Against a server that is broken or means harm: each case ends in one clear error or a good
//! file, in bounded time, with nothing unverified in the cache and nothing outside it.

#[path = "server/fixture.rs"]
mod fixture;
#[path = "server/mod.rs"]
mod server;

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use fixture::{COMMIT, Client, PINNED, TOKEN, contents, good, only_on_get, sha256};
use server::{Answer, Server};
use spectralkd_hub::{Cause, Origin};

const SHORT: Duration = Duration::from_millis(400);

/// Fails every time in the same way, and leaves nothing in the cache.
fn fails(
    respond: impl Fn(&server::Request) -> Answer + Send + Sync + 'static,
) -> (Cause, u32, Client, Server) {
    let server = Server::start(respond);
    fails_in(Client::of(&server.address()), server)
}

fn fails_in(client: Client, server: Server) -> (Cause, u32, Client, Server) {
    let started = Instant::now();
    let (cause, attempts) = client.failure(PINNED);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "took {:?}",
        started.elapsed()
    );
    assert!(
        client.files().is_empty(),
        "left behind: {:?}",
        client.files()
    );
    (cause, attempts, client, server)
}

/// Fails on the first GET in the given way and gives the good file on the second.
fn recovers(first: impl Fn() -> Answer + Send + Sync + 'static) {
    recovers_in(Duration::from_secs(5), first);
}

fn recovers_in(idle: Duration, first: impl Fn() -> Answer + Send + Sync + 'static) {
    let server = Server::start(move |request| {
        only_on_get(request, || {
            if request.nth == 0 {
                first()
            } else {
                good(&contents())
            }
        })
    });
    let mut client = Client::of(&server.address());
    client.settings.limits.idle = idle;
    let fetched = client.fetch(PINNED).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), contents());
    assert_eq!((server.count("GET"), fetched.origin), (2, Origin::Network));
}

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

#[test]
fn silence_is_not_waited_out() {
    let in_the_middle = || Answer {
        silent_after: Some(100_000),
        ..good(&contents())
    };
    let at_once = Server::start(|_| Answer::mute());
    let later = Server::start(move |request| only_on_get(request, in_the_middle));
    for server in [at_once, later] {
        let mut client = Client::of(&server.address());
        client.settings.limits.idle = SHORT;
        let (cause, attempts, ..) = fails_in(client, server);
        assert_eq!((cause, attempts), (Cause::Stalled { idle: SHORT }, 3));
    }
    recovers_in(SHORT, in_the_middle);
    recovers_in(SHORT, Answer::mute);
}

#[test]
fn a_trickle_ends_with_the_time() {
    let server = Server::start(|request| {
        only_on_get(request, || Answer {
            drip: Some(Duration::from_millis(50)),
            ..good(&contents())
        })
    });
    let mut client = Client::of(&server.address());
    client.settings.limits.total = Duration::from_millis(800);
    let started = Instant::now();
    let (cause, _) = client.failure(PINNED);
    assert_eq!(
        cause,
        Cause::TimedOut {
            total: Duration::from_millis(800)
        }
    );
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "took {:?}",
        started.elapsed()
    );
    assert!(
        client.files().is_empty(),
        "left behind: {:?}",
        client.files()
    );
}

#[test]
fn nobody_there() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let client = Client::of(&format!("http://127.0.0.1:{port}"));
    let (cause, attempts) = client.failure(PINNED);
    assert!(matches!(cause, Cause::Unreachable { .. }), "{cause}");
    assert_eq!(attempts, 3);
    assert!(cause.to_string().contains("refused"), "{cause}");
}

#[test]
fn renamed_repositories_are_followed() {
    let server = Server::start(|request| {
        if request.path.starts_with("/owner/name/") {
            Answer::new(307).header(
                "Location",
                &request.path.replace("/owner/name/", "/Owner/name/"),
            )
        } else {
            good(&contents())
        }
    });
    let client = Client::of(&server.address());
    assert_eq!(
        fs::read(client.fetch(PINNED).unwrap().path).unwrap(),
        contents()
    );
    let arrived = server
        .requests()
        .into_iter()
        .filter(|request| request.path.starts_with("/Owner/"));
    assert!(
        arrived
            .map(|request| request.header("authorization").map(str::to_owned))
            .all(|token| token.is_some())
    );
}

#[test]
fn the_token_goes_to_no_other_host() {
    let content = Server::start(|_| Answer::new(200).body(&contents()));
    let elsewhere = format!("{}/blob?signature=1", content.address());
    let server = Server::start(move |_| {
        let digest = sha256(&contents());
        let answer = Answer::new(302)
            .header("Location", &elsewhere)
            .header("X-Repo-Commit", COMMIT);
        answer
            .header("X-Linked-Etag", &format!("\"{digest}\""))
            .header("X-Linked-Size", "200000")
            .header("ETag", "\"of the redirection\"")
    });
    let client = Client::of(&server.address());
    assert_eq!(
        fs::read(client.fetch(PINNED).unwrap().path).unwrap(),
        contents()
    );
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_some())
    );
    assert!(content.count("GET") == 1);
    for request in content.requests() {
        assert!(
            request
                .headers
                .iter()
                .all(|(_, value)| !value.contains(TOKEN)),
            "{request:?}"
        );
    }
}

#[test]
fn redirections_in_a_circle() {
    let (cause, attempts, ..) = fails(|request| Answer::new(307).header("Location", &request.path));
    assert!(matches!(cause, Cause::Redirect { .. }), "{cause}");
    assert_eq!(attempts, 1);
    let (cause, ..) = fails(|request| {
        only_on_get(request, || {
            Answer::new(302).header("Location", &request.path)
        })
    });
    assert!(matches!(cause, Cause::Redirect { .. }), "{cause}");
}

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
