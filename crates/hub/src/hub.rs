//! [`Hub`]: the cache first, then the network.

use spectralkd_base::progress::Progress;

use crate::cache::{Cache, Found};
use crate::error::{Cause, HubError, Result};
use crate::reference::{RemoteFile, Revision};
use crate::settings::Settings;
use crate::{Fetched, Origin, Source};

/// The Hugging Face hub (or a mirror of it), behind the cache that Python uses too.
#[derive(Clone, Debug)]
pub struct Hub {
    pub(crate) settings: Settings,
    pub(crate) cache: Cache,
}

impl Hub {
    /// A hub with these settings. Neither disk nor network is touched before the first fetch.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let cache = Cache::new(settings.cache.clone());
        Self { settings, cache }
    }

    /// The hub that the environment names, see [`Settings::from_env`].
    ///
    /// # Errors
    /// [`HubError::Setting`] for a variable with an unusable value.
    pub fn from_env() -> Result<Self> {
        Ok(Self::new(Settings::from_env()?))
    }

    /// The settings in use.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The verified file as the cache has it. `Err` only for what makes a copy unusable.
    fn cached(&self, file: &RemoteFile) -> Result<Option<Fetched>> {
        let Some(commit) = self.cache.commit(file)? else {
            return Ok(None);
        };
        match self.cache.look_up(file, &commit)? {
            Found::Good {
                path,
                digest,
                bytes,
            } => Ok(Some(Fetched {
                path,
                commit,
                digest,
                bytes,
                origin: Origin::Cache,
            })),
            Found::Nothing => Ok(None),
            Found::Unverifiable { path } => Err(HubError::Unverifiable { path }),
            Found::Damaged { expected, actual } => {
                tracing::warn!(file = %file, %expected, %actual, "removed a damaged file from the cache");
                Err(HubError::DamagedOffline {
                    file: file.to_string(),
                    expected,
                    actual,
                })
            }
        }
    }

    pub(crate) fn failed(&self, file: &RemoteFile, attempts: u32, cause: Cause) -> HubError {
        HubError::Fetch {
            file: file.to_string(),
            endpoint: self.settings.endpoint_shown(),
            attempts,
            cause: Box::new(cause),
        }
    }
}

impl Source for Hub {
    fn fetch(&self, file: &RemoteFile, progress: &dyn Progress) -> Result<Fetched> {
        let pinned = matches!(file.revision(), Revision::Commit(_));
        if self.settings.local_files_only {
            let absent = || HubError::Offline {
                file: file.to_string(),
                cache: self.cache.root().to_owned(),
            };
            return self.cached(file)?.ok_or_else(absent);
        }
        if pinned && let Ok(Some(fetched)) = self.cached(file) {
            tracing::debug!(file = %file, path = %fetched.path.display(), "found in the cache");
            return Ok(fetched);
        }
        let failure = match self.online(file, progress) {
            Err(failure) if !pinned && failure.is_absence() => failure,
            other => return other,
        };
        // The hub cannot be asked what a branch means now; what it meant last time is better than nothing.
        match self.cached(file) {
            Ok(Some(fetched)) => {
                tracing::warn!(file = %file, commit = fetched.commit, %failure, "using the cached commit");
                progress.note(&format!(
                    "{failure}; using commit {} from the cache",
                    fetched.commit
                ));
                Ok(fetched)
            }
            _ => Err(failure),
        }
    }
}
