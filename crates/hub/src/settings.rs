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
    /// The access token, if any. It is sent to the endpoint alone. Where this is `None`,
    /// hf-hub still looks for one in the environment, by the rules of [`Settings::from_env`].
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
    /// | token | none if `HF_HUB_DISABLE_IMPLICIT_TOKEN` is set, `HF_TOKEN`, the file `HF_TOKEN_PATH`, the file `token` in `HF_HOME` or its default |
    /// | local files only | `HF_HUB_OFFLINE` being 1, on, yes or true |
    /// | idle limit | `HF_HUB_DOWNLOAD_TIMEOUT` in seconds, [`Limits::default`] |
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
        let home = get("HF_HOME").map(PathBuf::from).unwrap_or_else(|| {
            let caches = get("XDG_CACHE_HOME").map(PathBuf::from);
            let user =
                || PathBuf::from(get("HOME").unwrap_or_else(|| "/tmp".to_owned())).join(".cache");
            caches.unwrap_or_else(user).join("huggingface")
        });
        let token = if get("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some() {
            None
        } else {
            let file = |path: PathBuf| {
                std::fs::read_to_string(path)
                    .ok()
                    .filter(|text| !text.trim().is_empty())
            };
            get("HF_TOKEN")
                .filter(|text| !text.trim().is_empty())
                .or_else(|| file(get("HF_TOKEN_PATH")?.into()))
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
            cache: get("HF_HUB_CACHE")
                .or_else(|| get("HUGGINGFACE_HUB_CACHE"))
                .map_or_else(|| home.join("hub"), PathBuf::from),
            token,
            local_files_only: get("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Settings> {
        Settings::from_lookup(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_cache_is_where_python_looks() {
        let cache = |variables: &[(&str, &str)]| with(variables).unwrap().cache;
        let home = ("HOME", "/home/u");
        assert_eq!(
            cache(&[home]),
            PathBuf::from("/home/u/.cache/huggingface/hub")
        );
        assert_eq!(
            cache(&[home, ("XDG_CACHE_HOME", "/x")]),
            PathBuf::from("/x/huggingface/hub")
        );
        assert_eq!(
            cache(&[home, ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")]),
            PathBuf::from("/h/hub")
        );
        assert_eq!(
            cache(&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")]),
            PathBuf::from("/old")
        );
        assert_eq!(
            cache(&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/c")]),
            PathBuf::from("/c")
        );
        assert_eq!(
            cache(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "")]),
            PathBuf::from("/h/hub")
        );
    }

    #[test]
    fn offline_is_read_as_python_reads_it() {
        for (value, offline) in [
            ("1", true),
            ("true", true),
            ("YES", true),
            ("On", true),
            ("0", false),
            ("", false),
            ("no", false),
        ] {
            assert_eq!(
                with(&[("HF_HUB_OFFLINE", value)]).unwrap().local_files_only,
                offline,
                "{value}"
            );
        }
        assert!(!with(&[]).unwrap().local_files_only);
    }

    #[test]
    fn the_token_comes_from_the_variable_then_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let home = ("HF_HOME", folder.path().to_str().unwrap());
        assert_eq!(with(&[home]).unwrap().token, None);
        std::fs::write(folder.path().join("token"), "hf_of_home\n").unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "hf_of_path").unwrap();
        let path = ("HF_TOKEN_PATH", other.to_str().unwrap());

        let token = |variables: &[(&str, &str)]| {
            with(variables)
                .unwrap()
                .token
                .map(|token| token.secret().to_owned())
        };
        assert_eq!(token(&[home]).as_deref(), Some("hf_of_home"));
        assert_eq!(token(&[home, path]).as_deref(), Some("hf_of_path"));
        assert_eq!(
            token(&[home, path, ("HF_TOKEN", "hf_of_env")]).as_deref(),
            Some("hf_of_env")
        );
        assert_eq!(
            token(&[
                home,
                path,
                ("HF_TOKEN", "hf_of_env"),
                ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
            ]),
            None
        );
    }

    #[test]
    fn nothing_shows_a_secret() {
        let settings = with(&[
            ("HF_TOKEN", "hf_secret"),
            ("HF_ENDPOINT", "https://me:password@hub.example/x/"),
        ])
        .unwrap();
        assert_eq!(settings.endpoint_shown(), "https://hub.example/x");
        let shown = format!("{settings:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("password"),
            "{shown}"
        );
        let error = with(&[("HF_TOKEN", "hf_secret\nX-Evil: 1")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("HF_TOKEN") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn unusable_values_are_named() {
        for endpoint in ["huggingface.co", "ftp://x", "http://", "https://x/?a=b"] {
            let error = with(&[("HF_ENDPOINT", endpoint)]).unwrap_err().to_string();
            assert!(error.starts_with("HF_ENDPOINT cannot be used"), "{error}");
        }
        for timeout in ["soon", "0", "-1", "nan", "inf"] {
            let error = with(&[("HF_HUB_DOWNLOAD_TIMEOUT", timeout)])
                .unwrap_err()
                .to_string();
            assert!(error.contains(timeout), "{error}");
        }
        assert_eq!(
            with(&[("HF_HUB_DOWNLOAD_TIMEOUT", "2.5")])
                .unwrap()
                .limits
                .idle,
            Duration::from_millis(2500)
        );
    }
}
