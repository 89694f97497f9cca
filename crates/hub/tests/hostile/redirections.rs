//! Redirections are followed, without the token to other hosts, and not in circles.

use std::fs;

use spectralkd_hub::Cause;

use super::fails;
use crate::fixture::{COMMIT, Client, PINNED, TOKEN, contents, good, only_on_get, sha256};
use crate::server::{Answer, Server};

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
