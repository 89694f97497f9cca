//! Where the hub is, where the cache is, who asks, and how long to wait.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{HubError, Result};

const PUBLIC_HUB: &str = "https://huggingface.co";

/// An access token. It goes into the `Authorization` header and nowhere else: it cannot be
/// printed, and neither `Debug` nor an error message shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token as the hub hands it out; white space around it is dropped.
    ///
    /// # Errors
    /// [`HubError::Setting`] where it is empty or holds what no header may hold.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = "it is empty, or has a character that no token has".to_owned();
            return Err(HubError::Setting {
                name: "HF_TOKEN",
                reason,
            });
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

/// How long to wait, and how often to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts in all, at least 1; default 3.
    pub attempts: u32,
    /// The longest silence of the server, in connecting and in answering; default 20 s.
    pub idle: Duration,
    /// The bound on fetching one file, retries and waits included; default 1 h.
    pub total: Duration,
    /// The pause before the second attempt, doubled before each further one; default 0.5 s.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 3,
            idle: Duration::from_secs(20),
            total: Duration::from_secs(3600),
            pause: Duration::from_millis(500),
        }
    }
}

/// All that [`Hub`](crate::Hub) needs to know about its surroundings.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The hub's address, `http://` or `https://`, without a `/` at its end.
    pub endpoint: String,
    /// The root folder of the cache; it holds folders named `models--owner--name`.
    pub cache: PathBuf,
    /// The access token, if any. It is sent to the endpoint alone; with `None` none is sent.
    pub token: Option<Token>,
    /// Whether the network must not be asked.
    pub local_files_only: bool,
    /// Bounds on time and attempts.
    pub limits: Limits,
}

impl Settings {
    /// The settings that Python's `huggingface_hub` and hf-hub would use here. An empty
    /// variable counts as unset.
    ///
    /// | setting | from the first of |
    /// |---|---|
    /// | endpoint | `HF_ENDPOINT`, the public hub |
    /// | cache | `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `$HF_HOME/hub`, `$XDG_CACHE_HOME/huggingface/hub`, `~/.cache/huggingface/hub` |
    /// | token | none if `HF_HUB_DISABLE_IMPLICIT_TOKEN` is true, `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, the file `HF_TOKEN_PATH`, the file `token` in `HF_HOME` or its default |
    /// | local files only | `HF_HUB_OFFLINE` or else `TRANSFORMERS_OFFLINE` being true |
    /// | idle limit | `HF_HUB_DOWNLOAD_TIMEOUT` in seconds, [`Limits::default`] |
    ///
    /// 1, on, yes and true are true, in any case. In folders and files, `~` at the start and
    /// `$NAME` or `${NAME}` are replaced, as Python does: an `.env` file leaves them in.
    ///
    /// # Errors
    /// [`HubError::Setting`] for an endpoint that is no `http://` or `https://` address, a
    /// token that cannot be one, or a timeout that is no positive number.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| env::var(name).ok())
    }

    /// [`Settings::from_env`] with another environment, given as a function of the name.
    ///
    /// # Errors
    /// Those of [`Settings::from_env`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let folder = |name: &str| get(name).map(|text| expanded(&text, get));
        let home = folder("HF_HOME").unwrap_or_else(|| {
            let user =
                || PathBuf::from(get("HOME").unwrap_or_else(|| "/tmp".to_owned())).join(".cache");
            folder("XDG_CACHE_HOME")
                .unwrap_or_else(user)
                .join("huggingface")
        });
        let is_set = |name: &str| get(name).is_some_and(|value| is_true(&value));
        let token = if is_set("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            None
        } else {
            let file = |path: PathBuf| {
                std::fs::read_to_string(path)
                    .ok()
                    .filter(|text| !text.trim().is_empty())
            };
            let variable = |name| get(name).filter(|text| !text.trim().is_empty());
            variable("HF_TOKEN")
                .or_else(|| variable("HUGGING_FACE_HUB_TOKEN"))
                .or_else(|| file(folder("HF_TOKEN_PATH")?))
                .or_else(|| file(home.join("token")))
                .map(|text| Token::new(&text))
                .transpose()?
        };
        let mut limits = Limits::default();
        if let Some(text) = get("HF_HUB_DOWNLOAD_TIMEOUT") {
            limits.idle = seconds(&text)?;
        }
        Ok(Self {
            endpoint: endpoint(&get("HF_ENDPOINT").unwrap_or_else(|| PUBLIC_HUB.to_owned()))?,
            cache: folder("HF_HUB_CACHE")
                .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
                .unwrap_or_else(|| home.join("hub")),
            token,
            // The second counts only where the first is not set, even to 0.
            local_files_only: get("HF_HUB_OFFLINE")
                .or_else(|| get("TRANSFORMERS_OFFLINE"))
                .is_some_and(|value| is_true(&value)),
            limits,
        })
    }

    /// The endpoint for messages and logs: without user name and password.
    #[must_use]
    pub fn endpoint_shown(&self) -> String {
        match reqwest::Url::parse(&self.endpoint) {
            Ok(mut url) if url.password().is_some() || !url.username().is_empty() => {
                // Both fail only for addresses without a host, which `endpoint` refuses.
                let _ = url.set_password(None);
                let _ = url.set_username("");
                url.to_string()
            }
            _ => self.endpoint.clone(),
        }
    }
}

/// Shows no token, and no password in the endpoint.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint_shown())
            .field("cache", &self.cache)
            .field("token", &self.token)
            .field("local_files_only", &self.local_files_only)
            .field("limits", &self.limits)
            .finish()
    }
}

/// What Python's `huggingface_hub` takes for true.
fn is_true(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].contains(&value.to_ascii_uppercase().as_str())
}

/// A path with `~` and variables replaced by what they stand for; what stands for nothing stays.
fn expanded(text: &str, get: impl Fn(&str) -> Option<String>) -> PathBuf {
    let mut path = String::new();
    let mut rest = text;
    if let Some(after) = text
        .strip_prefix('~')
        .filter(|after| after.is_empty() || after.starts_with('/'))
        && let Some(home) = get("HOME")
    {
        path.push_str(home.trim_end_matches('/'));
        rest = after;
    }
    while let Some(at) = rest.find('$') {
        path.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, end) = match after.strip_prefix('{') {
            Some(inner) => inner
                .find('}')
                .map_or(("", 0), |end| (&inner[..end], end + 2)),
            None => {
                let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let end = end.unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match get(name).filter(|_| !name.is_empty()) {
            Some(value) => path.push_str(&value),
            None => path.push_str(&rest[at..=at + end]),
        }
        rest = &after[end..];
    }
    path.push_str(rest);
    path.into()
}

fn endpoint(text: &str) -> Result<String> {
    let wrong = |reason: String| HubError::Setting {
        name: "HF_ENDPOINT",
        reason,
    };
    let url = reqwest::Url::parse(text).map_err(|error| {
        wrong(format!(
            "it is no address ({error}); write it as {PUBLIC_HUB}"
        ))
    })?;
    if !matches!(url.scheme(), "http" | "https")
        || !url.has_host()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(wrong(format!(
            "it must be an http:// or https:// address without ? and #, as {PUBLIC_HUB}"
        )));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn seconds(text: &str) -> Result<Duration> {
    let parsed = text
        .trim()
        .parse()
        .ok()
        .filter(|&seconds: &f64| seconds > 0.0);
    parsed
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| HubError::Setting {
            name: "HF_HUB_DOWNLOAD_TIMEOUT",
            reason: format!("\"{text}\" is no positive number of seconds"),
        })
}
