//! What a hub's answers mean: headers to metadata, statuses to causes. No text that the server
//! chose gets into a cause.

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, RETRY_AFTER};

use crate::digest::Digest;
use crate::error::Cause;
use crate::reference::is_commit;

const COMMIT: HeaderName = HeaderName::from_static("x-repo-commit");
const LINKED_DIGEST: HeaderName = HeaderName::from_static("x-linked-etag");
const LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");
const XET: HeaderName = HeaderName::from_static("x-xet-hash");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");

/// What the hub says about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The digest of its contents.
    pub digest: Digest,
    /// The commit that the revision means.
    pub commit: String,
    /// Its size in bytes, where the hub says it.
    pub bytes: Option<u64>,
    /// Whether the contents lie on another server (LFS, Xet), to which the hub redirects.
    pub elsewhere: bool,
}

/// Whether these headers describe the contents that they redirect to.
pub(super) fn names_contents(headers: &HeaderMap) -> bool {
    headers.contains_key(&LINKED_DIGEST)
}

/// What the headers of an answer to a request for a file say about it; `redirected` if they
/// stand on a redirection to another server.
pub(super) fn read_metadata(headers: &HeaderMap, redirected: bool) -> Result<Metadata, Cause> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let commit = text(&COMMIT).ok_or(Cause::NoHub {
        reason: "the header X-Repo-Commit is missing",
    })?;
    if !is_commit(commit) {
        return Err(Cause::NoHub {
            reason: "the header X-Repo-Commit holds no commit id",
        });
    }
    let (linked, plain) = (text(&LINKED_DIGEST), text(&ETAG));
    let tag = linked.or(plain).ok_or(Cause::NoHub {
        reason: "the header ETag is missing",
    })?;
    let tag = tag.trim_start_matches("W/").trim_matches('"');
    let digest = Digest::parse(tag)
        .ok_or(Cause::NoHub { reason: "the header ETag holds neither a sha256 nor a git sha1, so that nothing can be verified" })?;
    // The length of an answer that has another file's digest beside it (a redirection's own) says nothing.
    let size = text(&LINKED_SIZE).or_else(|| text(&CONTENT_LENGTH).filter(|_| linked.is_none()));
    Ok(Metadata {
        digest,
        commit: commit.to_owned(),
        bytes: size.and_then(|size| size.parse().ok()),
        elsewhere: redirected || linked.is_some() || headers.contains_key(&XET),
    })
}

pub(super) fn cause_of_status(status: StatusCode, headers: &HeaderMap) -> Cause {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let wait = text(&RETRY_AFTER)
        .and_then(|text| text.trim().parse().ok())
        .map(Duration::from_secs);
    cause_of_code(status, text(&ERROR_CODE), wait)
}

/// `code` is the hub's header `X-Error-Code`. No other text of the server is used.
pub(super) fn cause_of_code(
    status: StatusCode,
    code: Option<&str>,
    wait: Option<Duration>,
) -> Cause {
    match (status.as_u16(), code) {
        (401, _) => Cause::Unauthorised,
        (403, _) => Cause::Forbidden,
        (404, Some("RepoNotFound")) => Cause::NotFound { what: "repository" },
        (404, Some("RevisionNotFound")) => Cause::NotFound { what: "revision" },
        (404, Some("EntryNotFound")) => Cause::NotFound { what: "file" },
        (404, _) => Cause::NotFound {
            what: "file, revision or repository",
        },
        (429, _) => Cause::RateLimited { wait },
        (status, _) => Cause::Status { status },
    }
}

/// The last error of the chain: "Connection refused", without the addresses of the outer ones,
/// which may be signed.
pub(super) fn innermost(error: &dyn StdError) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
