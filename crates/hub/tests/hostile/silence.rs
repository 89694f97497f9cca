//! Servers that fall silent, trickle or are not there.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use spectralkd_hub::Cause;

use super::{fails_in, recovers_in};
use crate::fixture::{Client, PINNED, contents, good, only_on_get};
use crate::server::{Answer, Server};

const SHORT: Duration = Duration::from_millis(400);

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
