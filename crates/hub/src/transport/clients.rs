//! The two HTTP clients, and what their errors mean.

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, redirect};

use super::MOST_REDIRECTIONS;
use super::answers::innermost;
use crate::error::Cause;

const USER_AGENT: &str = concat!("spectralkd/", env!("CARGO_PKG_VERSION"));

/// A client that follows no redirection.
pub(super) fn asking(idle: Duration) -> Result<Client, Cause> {
    let builder = builder(idle).redirect(redirect::Policy::none());
    builder.build().map_err(|error| client(&error))
}

/// A client that follows redirections, though not out of TLS. reqwest takes the token off where
/// one leads to another host.
pub(super) fn following(idle: Duration) -> Result<Client, Cause> {
    let policy = redirect::Policy::custom(|attempt| {
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
    builder(idle)
        .redirect(policy)
        .build()
        .map_err(|error| client(&error))
}

fn builder(idle: Duration) -> ClientBuilder {
    // Bytes as they are stored, or length and digest would be another representation's.
    let headers: HeaderMap = [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]
        .into_iter()
        .collect();
    Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(idle)
        .read_timeout(idle)
}

/// A failure of the client itself.
pub(super) fn client(error: &dyn StdError) -> Cause {
    Cause::Client {
        reason: innermost(error),
    }
}

/// `idle` is the silence after which the client gives up.
pub(super) fn cause_of(error: &reqwest::Error, idle: Duration) -> Cause {
    let reason = innermost(error);
    if error.is_timeout() {
        Cause::Stalled { idle }
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
