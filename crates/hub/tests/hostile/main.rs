//! Against a server that is broken or means harm: each case ends in one clear error or a good
//! file, in bounded time, with nothing unverified in the cache and nothing outside it.

#[path = "../server/fixture.rs"]
mod fixture;
#[path = "../server/mod.rs"]
mod server;

mod bodies;
mod headers;
mod paths;
mod redirections;
mod silence;
mod statuses;

use std::fs;
use std::time::{Duration, Instant};

use fixture::{Client, PINNED, contents, good, only_on_get};
use server::{Answer, Server};
use spectralkd_hub::{Cause, Origin};

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
