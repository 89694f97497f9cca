//! The question whether the hub answers: bounded, without the token, and never asked offline.

#[path = "server/fixture.rs"]
mod fixture;
#[path = "server/mod.rs"]
mod server;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use fixture::Client;
use server::{Answer, Server};
use spectralkd_hub::{Cause, Reached};

#[test]
fn a_hub_that_answers_is_timed_and_gets_no_token() {
    for status in [200, 302, 401, 404, 503] {
        let server = Server::start(move |_| Answer::new(status).header("Location", "/elsewhere"));
        let client = Client::of(&format!("{}/mirror", server.address()));
        let Reached::Answered {
            status: seen,
            latency,
        } = client.hub().reach()
        else {
            panic!("{status}");
        };
        assert_eq!(seen, status);
        assert!(latency > Duration::ZERO && latency < Duration::from_secs(4));
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert_eq!(
            (&*requests[0].method, &*requests[0].path),
            ("HEAD", "/mirror")
        );
        assert_eq!(requests[0].header("authorization"), None);
    }
}

#[test]
fn offline_nothing_is_asked() {
    let server = Server::start(|_| Answer::new(200));
    let client = Client::of(&server.address());
    assert_eq!(client.offline().reach(), Reached::Offline);
    assert!(server.requests().is_empty());
}

#[test]
fn nobody_there_and_nobody_speaking() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let client = Client::of(&format!("http://127.0.0.1:{port}"));
    let Reached::Unreachable { cause } = client.hub().reach() else {
        panic!();
    };
    assert!(cause.to_string().contains("refused"), "{cause}");

    // Silent at once, or for ever in the middle of the head.
    let trickle = Answer {
        drip_head: Some(Duration::from_millis(100)),
        ..Answer::new(200)
    };
    for answer in [Answer::mute(), trickle] {
        let server = Server::start(move |_| answer.clone());
        let mut client = Client::of(&server.address());
        let idle = Duration::from_millis(400);
        client.settings.limits.idle = idle;
        let started = Instant::now();
        assert_eq!(
            client.hub().reach(),
            Reached::Unreachable {
                cause: Cause::Stalled { idle }
            }
        );
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}

#[test]
fn an_endpoint_that_is_none_is_said() {
    let client = Client::of("no address");
    let Reached::Unreachable { cause } = client.hub().reach() else {
        panic!();
    };
    assert!(matches!(cause, Cause::Client { .. }), "{cause}");
}
