//! Large files lie on another server, to which the hub redirects (LFS, Xet).

#[path = "server/fixture.rs"]
mod fixture;
#[path = "server/mod.rs"]
mod server;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use fixture::{COMMIT, Client, PINNED, contents, good, sha256};
use server::{Answer, Request, Server};
use spectralkd_hub::Cause;

/// What a hub answers for a file that lies at `location`.
fn lies_at(location: &str) -> Answer {
    Answer::new(302)
        .header("Location", location)
        .header("X-Repo-Commit", COMMIT)
        .header("X-Linked-Etag", &format!("\"{}\"", sha256(&contents())))
        .header("X-Linked-Size", "200000")
        .header("X-Xet-Hash", &"a".repeat(64))
        .header("ETag", "\"of the redirection\"")
}

/// A hub, and the server that holds its contents and answers like this.
fn two(content: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> (Server, Server, Client) {
    let content = Server::start(content);
    let location = format!("{}/blob?signature=1", content.address());
    let hub = Server::start(move |_| lies_at(&location));
    let client = Client::of(&hub.address());
    (hub, content, client)
}

/// A link signed for GET is refused for HEAD; neither that nor Xet's protocol is needed.
#[test]
fn contents_come_by_one_plain_get() {
    let (hub, content, client) = two(|request| match &*request.method {
        "GET" => Answer::new(200).body(&contents()),
        _ => Answer::new(403),
    });
    let fetched = client.fetch(PINNED).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), contents());
    assert_eq!((hub.count("HEAD"), hub.count("GET")), (1, 1));
    assert_eq!((content.count("HEAD"), content.count("GET")), (0, 1));
}

#[test]
fn contents_on_the_same_host_are_no_new_name_of_the_repository() {
    let server = Server::start(|request| match &*request.path {
        "/contents" => Answer::new(200).body(&contents()),
        _ => lies_at("/contents"),
    });
    let client = Client::of(&server.address());
    let fetched = client.fetch(PINNED).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), contents());
}

#[test]
fn what_the_content_server_refuses_is_not_blamed_on_the_token() {
    for status in [401, 403, 404] {
        let (_hub, content, client) = two(move |_| Answer::new(status));
        let (cause, attempts) = client.failure(PINNED);
        assert_eq!((cause, attempts), (Cause::Status { status }, 1));
        assert!(client.files().is_empty(), "{:?}", client.files());
        assert_eq!(content.count("GET"), 1);
    }
    let (_hub, content, client) = two(|_| Answer::new(503));
    let (cause, attempts) = client.failure(PINNED);
    assert_eq!((cause, attempts), (Cause::Status { status: 503 }, 3));
    assert_eq!(content.count("GET"), 3);
}

#[test]
fn damage_from_the_content_server_is_found_and_mended() {
    let (_hub, content, client) = two(|request| {
        let mut body = contents();
        match request.nth {
            0 => body.truncate(100_000),
            1 => body[5] ^= 1,
            _ => {}
        }
        Answer::new(200).body(&body)
    });
    let fetched = client.fetch(PINNED).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), contents());
    assert_eq!(content.count("GET"), 3);
}

#[test]
fn silence_of_the_content_server_is_not_waited_out() {
    let (_hub, _content, mut client) = two(|_| Answer {
        silent_after: Some(1000),
        ..Answer::new(200).body(&contents())
    });
    let idle = Duration::from_millis(300);
    client.settings.limits.idle = idle;
    assert_eq!(client.failure(PINNED), (Cause::Stalled { idle }, 3));
    assert!(client.files().is_empty(), "{:?}", client.files());
}

#[test]
fn a_head_that_trickles_is_silence_in_the_end() {
    let server = Server::start(|_| Answer {
        drip_head: Some(Duration::from_millis(50)),
        ..good(&contents())
    });
    let mut client = Client::of(&server.address());
    client.settings.limits.idle = Duration::from_millis(200);
    client.settings.limits.attempts = 2;
    let started = Instant::now();
    let (cause, attempts) = client.failure(PINNED);
    assert!(matches!(cause, Cause::Stalled { .. }), "{cause}");
    assert_eq!(attempts, 2);
    assert!(started.elapsed() < Duration::from_secs(3));
}

const CHILD: &str = "SPECTRALKD_TEST_CHILD";

/// hf-hub would read the variable for itself; settings without a token mean none.
#[test]
fn no_token_means_none_even_with_one_in_the_environment() {
    if std::env::var_os(CHILD).is_none() {
        let name = "no_token_means_none_even_with_one_in_the_environment";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(CHILD, "1")
            .env("HF_TOKEN", "hf_ofTheEnvironment")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(
            child.status.success() && text.contains("1 passed"),
            "{text}"
        );
        return;
    }
    let server = Server::start(|_| good(&contents()));
    let mut client = Client::of(&server.address());
    client.settings.token = None;
    client.fetch(PINNED).unwrap();
    assert_eq!(server.count("GET"), 1);
    for request in server.requests() {
        assert_eq!(request.header("authorization"), None, "{request:?}");
    }
}
