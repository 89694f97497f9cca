//! The one error type of this crate.

use std::path::PathBuf;
use std::time::Duration;

use crate::digest::Digest;

/// What this crate's fallible functions return.
pub type Result<T> = std::result::Result<T, HubError>;

/// Why a file of the hub could not be had.
///
/// No message holds the access token, or text that the server chose: a hostile server
/// could echo the token there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A text that should name something on the hub does not.
    #[error(
        "\"{text}\" names nothing on the hub: {reason}; \
         write hf://owner/name, hf://owner/name@revision or hf://owner/name@revision/file"
    )]
    Reference {
        /// The text as given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },

    /// There is neither a file nor a folder of that name on this machine.
    #[error("there are no weights at {}: name a file, a folder or hf://owner/name", path.display())]
    NoWeights {
        /// Where they were looked for.
        path: PathBuf,
    },

    /// An environment variable or a setting has a value that cannot be used.
    #[error("{name} cannot be used: {reason}")]
    Setting {
        /// The environment variable that carries the setting.
        name: &'static str,
        /// What is wrong with its value; never the value of a token.
        reason: String,
    },

    /// The file is not in the cache, and the network must not be asked.
    #[error(
        "{file} is not in the cache {}, and HF_HUB_OFFLINE (or local files only) forbids to fetch it: \
         fetch it once while online, or point HF_HUB_CACHE at a cache that has it",
        cache.display()
    )]
    Offline {
        /// The file asked for.
        file: String,
        /// The root folder of the cache that was searched.
        cache: PathBuf,
    },

    /// A cached file was damaged; it has been removed, and the network must not be asked.
    #[error(
        "the cached copy of {file} was damaged (its contents have the {actual}, its name says {expected}) and \
         has been removed; HF_HUB_OFFLINE (or local files only) forbids to fetch it again: go online once"
    )]
    DamagedOffline {
        /// The file asked for.
        file: String,
        /// The digest that names the blob.
        expected: Digest,
        /// The digest of what the blob held.
        actual: Digest,
    },

    /// A cached file carries no digest to hold it against, and the network must not be asked.
    #[error(
        "{} in the cache is no link to a blob named by its digest, so it cannot be verified: \
         go online once, or pass this path itself in place of the hf:// name",
        path.display()
    )]
    Unverifiable {
        /// The file in the snapshot folder.
        path: PathBuf,
    },

    /// The file could not be fetched; the reason is what the last attempt ended in.
    #[error("cannot fetch {file} from {endpoint}{}: {cause}", attempts_in_words(*attempts))]
    Fetch {
        /// The file asked for.
        file: String,
        /// The hub that was asked, without user name and password.
        endpoint: String,
        /// How many attempts were made.
        attempts: u32,
        /// What the last attempt ended in.
        cause: Box<Cause>,
    },

    /// The disk is full, or the user's part of it.
    #[error(
        "no space left for {} ({source}); what had come was removed: free some space, \
         or point HF_HUB_CACHE at a folder on another disk",
        path.display()
    )]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// The cache could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "read" or "create the folder".
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

/// What an attempt to fetch a file ended in: the inner part of [`HubError::Fetch`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// 404: there is no such thing.
    #[error("there is no such {what} (404); check the name{}", if *what == "revision" { " or the commit" } else { "" })]
    NotFound {
        /// "repository", "revision", "file", or, where the server does not say, all of them.
        what: &'static str,
    },

    /// 401: the hub does not say whether a private repository exists.
    #[error(
        "the hub asks for a valid access token (401): the repository is private or gated, or does not exist; \
         check its name, or set HF_TOKEN to a token that may read it"
    )]
    Unauthorised,

    /// 403: the token is good, but may not read this.
    #[error(
        "access is forbidden (403): the repository may be gated; accept its terms on its page, \
         and set HF_TOKEN to a token of that account"
    )]
    Forbidden,

    /// 429: too many requests.
    #[error("the server asks for patience (429){}; try again later", wait_in_words(*wait))]
    RateLimited {
        /// How long the server asks to wait, if it says so.
        wait: Option<Duration>,
    },

    /// Any other status that is no success.
    #[error("the server answered {status}{}", if *status >= 500 { "; try again later" } else { "" })]
    Status {
        /// The HTTP status code.
        status: u16,
    },

    /// No connection could be made.
    #[error(
        "no connection ({reason}); check the network, or set HF_HUB_OFFLINE=1 to use the cache alone"
    )]
    Unreachable {
        /// The innermost reason, as the operating system or the TLS library gives it.
        reason: String,
    },

    /// The connection stood still.
    #[error("nothing came for {} s; try again later (HF_HUB_DOWNLOAD_TIMEOUT sets this bound)", idle.as_secs_f32())]
    Stalled {
        /// The longest silence that is allowed.
        idle: Duration,
    },

    /// The whole fetch took longer than it may.
    #[error("not done within {} s", total.as_secs_f32())]
    TimedOut {
        /// The bound on the whole fetch, retries included.
        total: Duration,
    },

    /// The connection broke in the middle.
    #[error("the transfer broke off ({reason})")]
    Interrupted {
        /// The innermost reason.
        reason: String,
    },

    /// The server sent more or fewer bytes than it had announced.
    #[error("the server announced {expected} bytes and sent {}", if *actual > *expected { "more".to_owned() } else { actual.to_string() })]
    Length {
        /// The announced size in bytes.
        expected: u64,
        /// The received size in bytes; where it is too large, the size at which the transfer was stopped.
        actual: u64,
    },

    /// The contents are not what the hub says they are.
    #[error(
        "what came is damaged: it should have the {expected}, and has the {actual}; it was discarded"
    )]
    Damaged {
        /// The digest the hub gives for the file.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },

    /// The server answered with another commit than the pinned one.
    #[error("the server answered with commit {actual} where {expected} was asked for")]
    OtherCommit {
        /// The pinned commit, 40 hex digits.
        expected: String,
        /// What the server says it sent.
        actual: String,
    },

    /// An answer that no Hugging Face hub gives.
    #[error("the answer is not a hub's: {reason}; is HF_ENDPOINT right?")]
    NoHub {
        /// What is missing or malformed.
        reason: &'static str,
    },

    /// More came than any file has, of a size that nobody had announced.
    #[error("the server announced no size and sent more than {limit} bytes; is HF_ENDPOINT right?")]
    Endless {
        /// The most bytes that are taken without an announcement.
        limit: u64,
    },

    /// A redirection that must not be followed.
    #[error("a redirection cannot be followed ({reason})")]
    Redirect {
        /// Why not.
        reason: String,
    },

    /// Another process holds the lock of this blob.
    #[error(
        "another process has been fetching the same file for {} s and holds {}; end it, or wait for it",
        waited.as_secs(), path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long we waited for it.
        waited: Duration,
    },

    /// The HTTP client could not be made, or failed in a way of its own.
    #[error("the HTTP client failed ({reason})")]
    Client {
        /// The client's reason.
        reason: String,
    },
}

impl Cause {
    /// Whether another attempt may end better.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Unreachable { .. }
            | Self::Stalled { .. }
            | Self::Interrupted { .. }
            | Self::Length { .. }
            | Self::Damaged { .. } => true,
            Self::Status { status } => *status == 408 || *status >= 500,
            _ => false,
        }
    }
}

impl HubError {
    /// Whether the server could not be asked, so that a cached copy of a branch may stand in.
    pub(crate) fn is_absence(&self) -> bool {
        let Self::Fetch { cause, .. } = self else {
            return false;
        };
        match **cause {
            Cause::RateLimited { .. }
            | Cause::Unreachable { .. }
            | Cause::Stalled { .. }
            | Cause::TimedOut { .. } => true,
            Cause::Status { status } => status >= 500,
            _ => false,
        }
    }
}

fn attempts_in_words(attempts: u32) -> String {
    match attempts {
        0 | 1 => String::new(),
        n => format!(" in {n} attempts"),
    }
}

fn wait_in_words(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| {
        format!(", and to wait {} s", wait.as_secs())
    })
}
