//! Nothing that anybody can read afterwards holds the token: no error and no log of any crate,
//! although the server throws the token back wherever it can.

#[path = "server/fixture.rs"]
mod fixture;
#[path = "server/mod.rs"]
mod server;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use fixture::{COMMIT, Client, PINNED, TOKEN, contents, good, only_on_get, sha256};
use server::{Answer, Server};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn the_token_is_in_no_error_and_no_log() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(lines.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();

    for status in [401, 403, 404, 410, 429, 500] {
        for on_head in [true, false] {
            let server = Server::start(move |request| {
                assert!(
                    request
                        .header("authorization")
                        .is_some_and(|value| value.contains(TOKEN))
                );
                let echo = || {
                    let answer = Answer::new(status)
                        .header("X-Error-Code", TOKEN)
                        .header("X-Error-Message", TOKEN);
                    answer
                        .header("X-Request-Id", TOKEN)
                        .body(format!("{{\"error\": \"{TOKEN}\"}}").as_bytes())
                };
                if on_head {
                    echo()
                } else {
                    only_on_get(request, echo)
                }
            });
            let client = Client::of(&server.address());
            let error = client.fetch(PINNED).unwrap_err();
            assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
        }
    }
    let ok = || Answer::new(200).body(b"x");
    let odd = [
        (
            "ETag",
            ok().header("ETag", TOKEN).header("X-Repo-Commit", COMMIT),
        ),
        (
            "X-Repo-Commit",
            ok().header("ETag", &"a".repeat(64))
                .header("X-Repo-Commit", TOKEN),
        ),
    ];
    for (what, answer) in odd {
        let server = Server::start(move |_| answer.clone());
        let error = Client::of(&server.address()).fetch(PINNED).unwrap_err();
        assert!(
            error.to_string().contains(what) && !format!("{error:?}").contains(TOKEN),
            "{error}"
        );
    }
    // A good fetch is logged as well.
    let server = Server::start(|_| good(&contents()));
    Client::of(&server.address()).fetch(PINNED).unwrap();

    // So is one whose contents lie on another server.
    let content = Server::start(|_| Answer::new(200).body(&contents()));
    let location = format!("{}/blob", content.address());
    let server = Server::start(move |_| {
        let answer = good(&contents()).header("Location", &location);
        let answer = answer.header("X-Linked-Etag", &sha256(&contents()));
        Answer {
            status: 302,
            ..answer
        }
    });
    Client::of(&server.address()).fetch(PINNED).unwrap();
    assert_eq!(content.count("GET"), 1);

    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("trying again"), "nothing was captured");
    let leaks: Vec<&str> = logged.lines().filter(|line| line.contains(TOKEN)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
