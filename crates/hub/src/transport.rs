//! The HTTP side: what the hub says about a file, and the file's bytes. Everything that knows
//! hf-hub or reqwest is here.
//!
//! hf-hub transfers the bytes. It is not asked to put them into the cache, where it would name
//! the blob as the server likes (`../../x` too), store the body of a "500" on the second request
//! as the file, and show the file to other programs before anybody has verified it. Nor is it
//! asked for the metadata: it follows the redirection to the content server, whose answer has
//! neither the commit nor the digest.

use std::error::Error as StdError;
use std::time::Duration;

use futures_util::StreamExt;
use hf_hub::{HFClient, HFError};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue,
    LOCATION, RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use crate::digest::Digest;
use crate::error::Cause;
use crate::reference::{RemoteFile, is_commit};
use crate::settings::{Settings, Token};

const COMMIT: HeaderName = HeaderName::from_static("x-repo-commit");
const LINKED_DIGEST: HeaderName = HeaderName::from_static("x-linked-etag");
const LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");
const MOST_REDIRECTIONS: usize = 10;
const USER_AGENT: &str = concat!("spectralkd/", env!("CARGO_PKG_VERSION"));

/// What the hub says about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The digest of its contents.
    pub digest: Digest,
    /// The commit that the revision means.
    pub commit: String,
    /// Its size in bytes, where the hub says it.
    pub bytes: Option<u64>,
}

/// Connections to one hub.
#[derive(Debug)]
pub(crate) struct Transport {
    endpoint: Url,
    token: Option<Token>,
    idle: Duration,
    /// Follows no redirection: asks for metadata.
    asking: Client,
    /// Follows redirections, without the token where they lead to another host: gets contents.
    fetching: HFClient,
}

impl Transport {
    /// Sets the clients up; connects to nothing yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Cause> {
        let client = |error: &dyn StdError| Cause::Client {
            reason: innermost(error),
        };
        let idle = settings.limits.idle;
        // Bytes as they are stored, or length and digest would be another representation's.
        let headers: HeaderMap = [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]
            .into_iter()
            .collect();
        let builder = || {
            let builder = Client::builder()
                .user_agent(USER_AGENT)
                .default_headers(headers.clone())
                .referer(false);
            builder
                .no_gzip()
                .no_brotli()
                .no_zstd()
                .no_deflate()
                .connect_timeout(idle)
                .read_timeout(idle)
        };
        let asking = builder()
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| client(&error))?;
        let following = redirect::Policy::custom(|attempt| {
            let from_tls = attempt
                .previous()
                .last()
                .is_some_and(|url| url.scheme() == "https");
            if attempt.previous().len() > MOST_REDIRECTIONS {
                attempt.error("too many redirections")
            } else if from_tls && attempt.url().scheme() != "https" {
                attempt.error("it leads from https to http")
            } else {
                attempt.follow()
            }
        });
        let following = builder()
            .redirect(following)
            .build()
            .map_err(|error| client(&error))?;
        let mut fetching = HFClient::builder()
            .endpoint(&settings.endpoint)
            .client(following)
            .cache_dir(&settings.cache)
            .cache_enabled(false)
            .retry_max_attempts(0);
        if let Some(token) = &settings.token {
            fetching = fetching.token(token.secret());
        }
        Ok(Self {
            endpoint: Url::parse(&settings.endpoint).map_err(|error| client(&error))?,
            token: settings.token.clone(),
            idle,
            asking,
            fetching: fetching.build().map_err(|error| client(&error))?,
        })
    }

    /// Asks for the file's commit, digest and size. Redirections are followed within the
    /// endpoint (a renamed repository); one to another host carries the answer in its own headers.
    pub(crate) async fn metadata(&self, file: &RemoteFile) -> Result<Metadata, Cause> {
        let mut url = self.url(file)?;
        for _ in 0..=MOST_REDIRECTIONS {
            let mut request = self.asking.head(url.clone());
            if let Some(token) = &self.token {
                request = request.header(AUTHORIZATION, secret_header(token)?);
            }
            let response = request
                .send()
                .await
                .map_err(|error| self.cause_of(&error))?;
            let status = response.status();
            if status.is_redirection() {
                if let Some(next) = next_within(&url, &response) {
                    url = next;
                    continue;
                }
            } else if !status.is_success() {
                return Err(cause_of_status(status, response.headers()));
            }
            return read_metadata(response.headers());
        }
        Err(Cause::Redirect {
            reason: "too many redirections".to_owned(),
        })
    }

    /// Gets the file's bytes, one piece after the other, into `sink`; an error of the sink ends it.
    pub(crate) async fn contents<E: From<Cause>>(
        &self,
        file: &RemoteFile,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let repo = self.fetching.model(file.repo().owner(), file.repo().name());
        let request = repo
            .download_file_stream()
            .filename(file.path())
            .revision(file.revision().as_str());
        let (_, mut pieces) = request
            .send()
            .await
            .map_err(|error| self.cause_of_hf(&error))?;
        while let Some(piece) = pieces.next().await {
            sink(&piece.map_err(|error| self.cause_of_hf(&error))?)?;
        }
        Ok(())
    }

    fn url(&self, file: &RemoteFile) -> Result<Url, Cause> {
        let mut url = self.endpoint.clone();
        url.path_segments_mut()
            .map_err(|()| Cause::NoHub {
                reason: "the endpoint has no path",
            })?
            .pop_if_empty()
            .extend([file.repo().owner(), file.repo().name(), "resolve"])
            .push(file.revision().as_str())
            .extend(file.path().split('/'));
        Ok(url)
    }

    fn cause_of(&self, error: &reqwest::Error) -> Cause {
        let reason = innermost(error);
        if error.is_timeout() {
            Cause::Stalled { idle: self.idle }
        } else if error.is_connect() {
            Cause::Unreachable { reason }
        } else if error.is_redirect() {
            Cause::Redirect { reason }
        } else if error.is_builder() {
            Cause::Client { reason }
        } else {
            Cause::Interrupted { reason }
        }
    }

    fn cause_of_hf(&self, error: &HFError) -> Cause {
        use HFError as E;
        let coded =
            |status: StatusCode, code: Option<&str>, wait| cause_of_code(status, code, wait);
        match error {
            E::Request { source, .. } => self.cause_of(source),
            E::RateLimited {
                retry_after,
                context,
            } => coded(context.status, None, *retry_after),
            E::Http { context }
            | E::AuthRequired { context }
            | E::Forbidden { context }
            | E::Conflict { context } => coded(context.status, context.error_code.as_deref(), None),
            E::EntryNotFound { context, .. }
            | E::RepoNotFound { context, .. }
            | E::RevisionNotFound { context, .. } => {
                let code = context
                    .as_ref()
                    .and_then(|context| context.error_code.as_deref());
                coded(StatusCode::NOT_FOUND, code, None)
            }
            E::MalformedResponse { .. } => Cause::NoHub {
                reason: "a header is missing",
            },
            other => Cause::Client {
                reason: innermost(other),
            },
        }
    }
}

/// The header with the token, marked so that no layer below prints it.
fn secret_header(token: &Token) -> Result<HeaderValue, Cause> {
    let header = HeaderValue::from_str(&format!("Bearer {}", token.secret()));
    let mut header = header.map_err(|_| Cause::Client {
        reason: "the token fits into no header".to_owned(),
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// Where a redirection leads, if that is the same scheme, host and port.
fn next_within(url: &Url, response: &Response) -> Option<Url> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    url.join(location)
        .ok()
        .filter(|next| next.origin() == url.origin())
}

fn read_metadata(headers: &HeaderMap) -> Result<Metadata, Cause> {
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
    })
}

fn cause_of_status(status: StatusCode, headers: &HeaderMap) -> Cause {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let wait = text(&RETRY_AFTER)
        .and_then(|text| text.trim().parse().ok())
        .map(Duration::from_secs);
    cause_of_code(status, text(&ERROR_CODE), wait)
}

/// `code` is the hub's header `X-Error-Code`. No other text of the server is used.
fn cause_of_code(status: StatusCode, code: Option<&str>, wait: Option<Duration>) -> Cause {
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
fn innermost(error: &dyn StdError) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
