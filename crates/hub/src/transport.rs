//! The HTTP side: what the hub says about a file, and the file's bytes. Everything that knows
//! hf-hub or reqwest is here and in [`answers`].
//!
//! hf-hub transfers the bytes that the hub itself keeps. It is not asked to put them into the
//! cache, where it would name the blob as the server likes (`../../x` too), store the body of a
//! "500" on the second request as the file, and show the file to other programs before anybody
//! has verified it. Nor is it asked for the metadata: it follows the redirection to the content
//! server, whose answer has neither the commit nor the digest.
//!
//! Large files lie on such a content server (LFS, Xet). For these hf-hub would ask that server
//! for headers, which a link signed for fetching need not allow, and would speak Xet's protocol
//! with a third one, without a bound on its silence. They come by a plain GET instead, which
//! every hub and every mirror serves.

mod answers;
mod clients;

use std::time::Duration;

use futures_util::StreamExt;
use hf_hub::{HFClient, HFError};
use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use tokio::time::{Instant, timeout};

use crate::error::Cause;
use crate::reference::RemoteFile;
use crate::settings::{Settings, Token};

pub(crate) use answers::Metadata;
use answers::{cause_of_code, cause_of_status, innermost, read_metadata};
use clients::{asking, cause_of, client, following};

const MOST_REDIRECTIONS: usize = 10;
/// The longest time for the hub to say what it knows about a file, all redirections included, in
/// silences allowed.
const IDLES_PER_HEAD: u32 = 3;
/// What hf-hub gets where there is no token. Without one it would search the environment for
/// itself; this one fits into no header, and so none is sent.
const NO_TOKEN: &str = "\n";

/// Connections to one hub.
#[derive(Debug)]
pub(crate) struct Transport {
    endpoint: Url,
    token: Option<Token>,
    idle: Duration,
    /// Follows no redirection: asks for metadata.
    asking: Client,
    /// Follows redirections, without the token where they lead to another host.
    following: Client,
    /// The same as hf-hub.
    hf: HFClient,
}

impl Transport {
    /// Sets the clients up; connects to nothing yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Cause> {
        let idle = settings.limits.idle;
        let asking = asking(idle)?;
        let following = following(idle)?;
        let token = settings.token.as_ref().map_or(NO_TOKEN, Token::secret);
        let hf = HFClient::builder()
            .endpoint(&settings.endpoint)
            .client(following.clone())
            .cache_dir(&settings.cache)
            .cache_enabled(false)
            .retry_max_attempts(0)
            .token(token)
            .build();
        Ok(Self {
            endpoint: Url::parse(&settings.endpoint).map_err(|error| client(&error))?,
            token: settings.token.clone(),
            idle,
            asking,
            following,
            hf: hf.map_err(|error| client(&error))?,
        })
    }

    /// Asks for the file's commit, digest and size. Redirections are followed within the
    /// endpoint (a renamed repository); one to another host carries the answer in its own headers.
    pub(crate) async fn metadata(&self, file: &RemoteFile) -> Result<Metadata, Cause> {
        let bound = self.idle * IDLES_PER_HEAD;
        timeout(bound, self.head(file))
            .await
            .unwrap_or(Err(Cause::Stalled { idle: bound }))
    }

    async fn head(&self, file: &RemoteFile) -> Result<Metadata, Cause> {
        let mut url = self.url(file)?;
        for _ in 0..=MOST_REDIRECTIONS {
            let request = self.asking.head(url.clone());
            let response = self
                .with_token(request)?
                .send()
                .await
                .map_err(|error| self.cause_of(&error))?;
            let status = response.status();
            if status.is_redirection() {
                // One that says all about the file leads to its contents, and no further is asked.
                let complete = answers::names_contents(response.headers());
                if !complete && let Some(next) = next_within(&url, &response) {
                    url = next;
                    continue;
                }
            } else if !status.is_success() {
                return Err(cause_of_status(status, response.headers()));
            }
            return read_metadata(response.headers(), status.is_redirection());
        }
        Err(Cause::Redirect {
            reason: "too many redirections".to_owned(),
        })
    }

    /// Gets the file's bytes, one piece after the other, into `sink`; an error of the sink ends
    /// it. `elsewhere` is [`Metadata::elsewhere`].
    pub(crate) async fn contents<E: From<Cause>>(
        &self,
        file: &RemoteFile,
        elsewhere: bool,
        sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if elsewhere {
            self.by_get(file, sink).await
        } else {
            self.by_hf_hub(file, sink).await
        }
    }

    async fn by_hf_hub<E: From<Cause>>(
        &self,
        file: &RemoteFile,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let repo = self.hf.model(file.repo().owner(), file.repo().name());
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

    async fn by_get<E: From<Cause>>(
        &self,
        file: &RemoteFile,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = self.with_token(self.following.get(self.url(file)?))?;
        let mut response = request
            .send()
            .await
            .map_err(|error| self.cause_of(&error))?;
        let status = response.status();
        if !status.is_success() {
            // What a content server refuses says nothing about the repository or the token.
            let of_the_hub = response.url().origin() == self.endpoint.origin();
            return Err(if of_the_hub {
                cause_of_status(status, response.headers()).into()
            } else {
                let status = status.as_u16();
                Cause::Status { status }.into()
            });
        }
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| self.cause_of(&error))?
        {
            sink(&piece)?;
        }
        Ok(())
    }

    fn with_token(&self, request: RequestBuilder) -> Result<RequestBuilder, Cause> {
        Ok(match &self.token {
            Some(token) => request.header(AUTHORIZATION, secret_header(token)?),
            None => request,
        })
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
        cause_of(error, self.idle)
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

/// Asks the endpoint for the head of its first page, without the token, and gives the status
/// and the time that it took.
pub(crate) async fn knock(settings: &Settings, bound: Duration) -> Result<(u16, Duration), Cause> {
    let url = Url::parse(&settings.endpoint).map_err(|error| client(&error))?;
    let asking = asking(bound)?;
    let started = Instant::now();
    let answer = timeout(bound, asking.head(url).send())
        .await
        .map_err(|_| Cause::Stalled { idle: bound })?
        .map_err(|error| cause_of(&error, bound))?;
    Ok((answer.status().as_u16(), started.elapsed()))
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
