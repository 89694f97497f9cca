//! Against a well-behaved server: what ends up where, and who asks whom for what.

#[path = "server/fixture.rs"]
mod fixture;
#[path = "server/mod.rs"]
mod server;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fixture::{COMMIT, Client, PINNED, TOKEN, contents, file, good, sha256};
use server::{Answer, Server};
use spectralkd_base::progress::{Progress, Silent, Stage};
use spectralkd_hub::{Digest, HubError, Origin, Source};

#[test]
fn a_file_lands_where_python_looks_for_it() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&server.address());
    let fetched = client.fetch("hf://owner/name").unwrap();

    let digest = sha256(&contents());
    let link = client
        .repo()
        .join("snapshots")
        .join(COMMIT)
        .join("model.safetensors");
    assert_eq!(fetched.path, link);
    assert_eq!(fs::read(&link).unwrap(), contents());
    assert_eq!(
        fs::read_link(&link).unwrap(),
        Path::new("../../blobs").join(&digest)
    );
    assert_eq!(
        fs::read_to_string(client.repo().join("refs/main")).unwrap(),
        COMMIT
    );
    assert_eq!(fetched.commit, COMMIT);
    assert_eq!(fetched.digest, Digest::parse(&digest).unwrap());
    assert_eq!((fetched.bytes, fetched.origin), (200_000, Origin::Network));
    assert_eq!(client.files().len(), 3, "{:?}", client.files());

    for request in server.requests() {
        assert_eq!(request.path, "/owner/name/resolve/main/model.safetensors");
        assert_eq!(
            request.header("authorization"),
            Some(&*format!("Bearer {TOKEN}"))
        );
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
}

#[test]
fn a_pinned_file_is_asked_for_once() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&server.address());
    let first = client.fetch(PINNED).unwrap();
    let asked = server.requests().len();
    let second = client.fetch(PINNED).unwrap();
    assert_eq!(server.requests().len(), asked);
    assert_eq!(
        (second.path, second.commit, second.digest),
        (first.path, first.commit, first.digest)
    );
    assert_eq!(
        (first.origin, second.origin),
        (Origin::Network, Origin::Cache)
    );
    assert!(!client.repo().join("refs").exists());
}

#[test]
fn a_branch_is_asked_for_anew_and_a_known_blob_is_not_transferred_again() {
    let other = "f".repeat(40);
    let moved = Arc::new(AtomicBool::new(false));
    let server = {
        let (moved, other) = (moved.clone(), other.clone());
        Server::start(move |_| {
            let commit = if moved.load(Ordering::SeqCst) {
                other.as_str()
            } else {
                COMMIT
            };
            let digest = sha256(&contents());
            Answer::new(200)
                .header("ETag", &digest)
                .header("X-Repo-Commit", commit)
                .body(&contents())
        })
    };
    let client = Client::of(&server.address());
    let first = client.fetch("hf://owner/name@dev").unwrap();
    moved.store(true, Ordering::SeqCst);
    let second = client.fetch("hf://owner/name@dev").unwrap();
    assert_eq!(
        (first.commit.as_str(), second.commit.as_str()),
        (COMMIT, other.as_str())
    );
    assert_eq!(second.origin, Origin::Cache);
    assert_eq!(server.count("GET"), 1);
    assert_eq!(
        fs::read_to_string(client.repo().join("refs/dev")).unwrap(),
        other
    );
    assert_eq!(fs::read(second.path).unwrap(), contents());
    assert!(first.path.exists(), "the older snapshot stays");
}

#[test]
fn a_small_file_is_known_by_its_git_id_and_names_are_escaped() {
    let id = "ce013625030ba8dba906f756967f9e9ca394464a"; // git hash-object of "hello\n"
    let server = Server::start(move |_| {
        Answer::new(200)
            .header("ETag", &format!("W/\"{id}\""))
            .header("X-Repo-Commit", COMMIT)
            .body(b"hello\n")
    });
    let client = Client::of(&server.address());
    let fetched = client
        .fetch("hf://owner/name@refs%2Fpr%2F1/sub folder/what? #1%.txt")
        .unwrap();
    assert_eq!(fs::read_to_string(&fetched.path).unwrap(), "hello\n");
    assert!(fetched.path.ends_with("sub folder/what? #1%.txt"));
    assert_eq!(fetched.digest.hex(), id);
    assert_eq!(
        fs::read_to_string(client.repo().join("refs/refs/pr/1")).unwrap(),
        COMMIT
    );
    for request in server.requests() {
        assert_eq!(
            request.path,
            "/owner/name/resolve/refs%2Fpr%2F1/sub%20folder/what%3F%20%231%25.txt"
        );
    }
}

#[test]
fn an_endpoint_may_have_a_path_of_its_own() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&format!("{}/mirror/hf", server.address()));
    client.fetch(PINNED).unwrap();
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.path.starts_with("/mirror/hf/owner/name/resolve/"))
    );
}

#[test]
fn what_python_has_fetched_is_found_without_the_network() {
    let client = Client::of("http://127.0.0.1:9");
    let digest = sha256(b"weights");
    let link = client.plant(&digest, b"weights", COMMIT, "model.safetensors");
    fs::create_dir_all(client.repo().join("refs")).unwrap();
    fs::write(client.repo().join("refs/main"), COMMIT).unwrap();

    for name in [PINNED, "hf://owner/name"] {
        let fetched = client.offline().fetch(&file(name), &Silent).unwrap();
        assert_eq!((&fetched.path, fetched.commit.as_str()), (&link, COMMIT));
        assert_eq!(
            (fetched.digest.hex(), fetched.bytes, fetched.origin),
            (digest.clone(), 7, Origin::Cache)
        );
    }
}

#[test]
fn offline_nothing_is_asked_for() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&server.address());
    for name in [
        PINNED,
        "hf://owner/name",
        "hf://owner/name@v1.0/config.json",
    ] {
        let error = client.offline().fetch(&file(name), &Silent).unwrap_err();
        assert!(matches!(error, HubError::Offline { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("HF_HUB_OFFLINE")
                && text.contains(client.settings.cache.to_str().unwrap()),
            "{text}"
        );
    }
    assert!(server.requests().is_empty());
    assert!(client.files().is_empty());
}

#[test]
fn a_damaged_file_in_the_cache_is_removed_and_fetched_again() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&server.address());
    let digest = sha256(&contents());

    let link = client.plant(&digest, b"rotten", COMMIT, "model.safetensors");
    let error = client.offline().fetch(&file(PINNED), &Silent).unwrap_err();
    assert!(matches!(error, HubError::DamagedOffline { .. }), "{error}");
    assert!(client.files().is_empty(), "{:?}", client.files());

    client.plant(&digest, b"rotten", COMMIT, "model.safetensors");
    let fetched = client.fetch(PINNED).unwrap();
    assert_eq!((&fetched.path, fetched.origin), (&link, Origin::Network));
    assert_eq!(fs::read(link).unwrap(), contents());
}

#[test]
fn a_copy_without_a_digest_is_trusted_only_after_asking() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&server.address());
    let folder = client.repo().join("snapshots").join(COMMIT);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("model.safetensors"), "put here by hand").unwrap();

    let error = client.offline().fetch(&file(PINNED), &Silent).unwrap_err();
    assert!(matches!(error, HubError::Unverifiable { .. }), "{error}");
    assert_eq!(
        fs::read(client.fetch(PINNED).unwrap().path).unwrap(),
        contents()
    );
}

#[test]
fn a_branch_falls_back_to_the_cache_while_the_hub_is_away() {
    let away = Arc::new(AtomicBool::new(false));
    let server = {
        let away = away.clone();
        Server::start(move |_| {
            if away.load(Ordering::SeqCst) {
                Answer::new(503)
            } else {
                good(&contents())
            }
        })
    };
    let client = Client::of(&server.address());
    let first = client.fetch("hf://owner/name").unwrap();
    away.store(true, Ordering::SeqCst);

    let seen = Seen::default();
    let second = client.hub().fetch(&file("hf://owner/name"), &seen).unwrap();
    assert_eq!((second.path, second.origin), (first.path, Origin::Cache));
    let notes = seen.0.lock().unwrap().notes.clone();
    assert!(
        notes.len() == 1 && notes[0].contains("503") && notes[0].contains(COMMIT),
        "{notes:?}"
    );

    // Another branch has nothing to fall back to.
    assert!(
        client
            .fetch("hf://owner/name@other")
            .unwrap_err()
            .to_string()
            .contains("503")
    );
}

#[test]
fn two_at_once_transfer_once() {
    let server = Server::start(|_| Answer {
        drip: Some(Duration::from_millis(2)),
        ..good(b"a hundred milliseconds of bytes, or somewhat more")
    });
    let client = Client::of(&server.address());
    thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| client.fetch(PINNED).unwrap()))
            .collect();
        for run in runs {
            assert_eq!(fs::read(run.join().unwrap().path).unwrap().len(), 49);
        }
    });
    assert_eq!(server.count("GET"), 1);
}

#[test]
fn a_fetch_works_inside_a_runtime() {
    let server = Server::start(|_| good(&contents()));
    let client = Client::of(&server.address());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { client.fetch(PINNED).unwrap() });
}

#[derive(Default)]
struct Log {
    stages: Vec<(String, u64, &'static str)>,
    done: u64,
    notes: Vec<String>,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Log>>);

impl Progress for Seen {
    fn stage(&self, name: &str, total: u64, unit: &'static str) -> Box<dyn Stage> {
        self.0
            .lock()
            .unwrap()
            .stages
            .push((name.to_owned(), total, unit));
        Box::new(self.clone())
    }
    fn note(&self, text: &str) {
        self.0.lock().unwrap().notes.push(text.to_owned());
    }
}

impl Stage for Seen {
    fn advance(&mut self, by: u64) {
        self.0.lock().unwrap().done += by;
    }
    fn message(&mut self, _text: &str) {}
}

#[test]
fn progress_counts_each_byte_once_although_an_attempt_fails() {
    let server = Server::start(|request| {
        let half = (request.method == "GET" && request.nth == 0).then_some(100_000);
        let body = contents()[..half.unwrap_or(200_000)].to_vec();
        Answer {
            body,
            ..good(&contents())
        }
    });
    let client = Client::of(&server.address());
    let seen = Seen::default();
    client.hub().fetch(&file(PINNED), &seen).unwrap();
    let log = seen.0.lock().unwrap();
    assert_eq!(log.stages, [(PINNED.to_owned(), 200_000, "bytes")]);
    assert_eq!(log.done, 200_000);
    assert_eq!(server.count("GET"), 2);
}
