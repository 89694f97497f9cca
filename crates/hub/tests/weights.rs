//! Weights by their address: which file of a repository, and whether it comes with its `config.json`.

#[path = "server/fixture.rs"]
mod fixture;
#[path = "server/mod.rs"]
mod server;

use std::fs;
use std::path::Path;

use fixture::{COMMIT, Client, contents, good};
use server::{Answer, Server};
use spectralkd_base::progress::Silent;
use spectralkd_hub::{HubError, Result, Weights};

/// A hub with one repository that holds these files.
fn hub_with(files: &'static [&'static str]) -> (Server, Client) {
    let server = Server::start(move |request| {
        let name = request.path.rsplit('/').next().unwrap_or_default();
        match files.iter().position(|file| *file == name) {
            Some(which) => good(&contents()[which..]),
            None => Answer::new(404).header("X-Error-Code", "EntryNotFound"),
        }
    });
    let client = Client::of(&server.address());
    (server, client)
}

fn weights(client: &Client, address: &str, described: bool) -> Result<Weights> {
    Weights::fetch(&address.parse()?, described, &client.hub(), &Silent)
}

/// The paths that were asked for, each once in a row.
fn asked(server: &Server) -> Vec<String> {
    let requests = server.requests();
    let mut paths: Vec<String> = requests
        .iter()
        .map(|request| request.path.clone())
        .collect();
    paths.dedup();
    paths
}

#[test]
fn weights_come_with_the_config_of_their_commit() {
    let (server, client) = hub_with(&["model.safetensors", "config.json"]);
    let found = weights(&client, "hf://owner/name", true).unwrap();
    assert_eq!(fs::read(&found.path).unwrap(), contents());
    let folder = found.path.parent().unwrap();
    assert_eq!(found.described.as_deref(), Some(folder));
    assert_eq!(
        fs::read(folder.join("config.json")).unwrap(),
        contents()[1..]
    );
    assert_eq!(
        found.origin,
        format!("hf://owner/name@{COMMIT}/model.safetensors")
    );
    assert_eq!(
        asked(&server),
        [
            "/owner/name/resolve/main/model.safetensors".to_owned(),
            format!("/owner/name/resolve/{COMMIT}/config.json"),
        ]
    );
}

#[test]
fn a_config_is_asked_for_only_where_it_is_wanted_and_may_be_missing() {
    let (server, client) = hub_with(&["model.safetensors"]);
    let found = weights(&client, "hf://owner/name", false).unwrap();
    assert_eq!(found.described, None);
    assert_eq!(asked(&server).len(), 1);
    let found = weights(&client, "hf://owner/name", true).unwrap();
    assert_eq!(found.described, None);
}

#[test]
fn older_repositories_hold_pytorchs_own_format_alone() {
    let (_server, client) = hub_with(&["config.json", "pytorch_model.bin"]);
    let found = weights(&client, "hf://owner/name", true).unwrap();
    assert_eq!(fs::read(&found.path).unwrap(), contents()[1..]);
    assert!(found.path.ends_with("pytorch_model.bin"));
    assert!(found.described.is_some());
}

#[test]
fn nothing_stands_in_for_a_file_that_was_named() {
    let (server, client) = hub_with(&["pytorch_model.bin"]);
    let error = weights(&client, "hf://owner/name/ema.safetensors", false).unwrap_err();
    assert!(error.to_string().contains("ema.safetensors"), "{error}");
    assert_eq!(asked(&server).len(), 1);
}

#[test]
fn a_repository_without_weights_is_said_by_the_name_that_is_preferred() {
    let (_server, client) = hub_with(&["config.json"]);
    let error = weights(&client, "hf://owner/name", true).unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
    let gone = Server::start(|_| Answer::new(404).header("X-Error-Code", "RepoNotFound"));
    let client = Client::of(&gone.address());
    let error = weights(&client, "hf://owner/name", true).unwrap_err();
    assert!(error.to_string().contains("repository"), "{error}");
    assert_eq!(asked(&gone).len(), 1);
}

#[test]
fn weights_of_ones_own_are_taken_where_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    let find = |path: &Path| Weights::find(&path.display().to_string(), true, &Silent);
    let file = dir.path().join("student.safetensors");
    let HubError::NoWeights { path } = find(&file).unwrap_err() else {
        panic!("found what is not there");
    };
    assert_eq!(path, file);
    fs::write(&file, contents()).unwrap();
    let found = find(&file).unwrap();
    assert_eq!((found.path.as_path(), found.described), (&*file, None));
    fs::write(dir.path().join("config.json"), "{}").unwrap();
    for place in [&*file, dir.path()] {
        let found = find(place).unwrap();
        assert_eq!(found.path, place);
        assert_eq!(found.described.as_deref(), Some(dir.path()));
        assert_eq!(found.origin, place.display().to_string());
    }
}
