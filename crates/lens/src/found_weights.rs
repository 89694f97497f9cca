//! Weights by their address: a file, a folder or a repository of the hub.

use std::path::{Path, PathBuf};

use spectralkd_base::progress::Progress;
use spectralkd_hub::{Cause, Hub, HubError, Reference, RemoteFile, Revision, Source};

use crate::error::{Error, Result};

/// The file that says what model a folder holds.
const CONFIG: &str = "config.json";
/// Where weights stand in a repository of the hub, best first.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// Weights that are on this machine now.
pub(crate) struct FoundWeights {
    /// A file or a folder.
    pub path: PathBuf,
    /// The folder with their `config.json`, where there is one.
    pub described: Option<PathBuf>,
    /// Where they came from.
    pub origin: String,
}

impl FoundWeights {
    /// Weights at `hf://owner/name[@revision][/file]`, in a file or in a folder; from the hub with their
    /// `config.json` if they have to `describe` themselves.
    ///
    /// # Errors
    /// There are none, or the download failed.
    pub fn find(address: &str, describe: bool, progress: &dyn Progress) -> Result<Self> {
        if Reference::looks_like_one(address) {
            Self::on_hub(address, describe, progress)
        } else {
            Self::here(address)
        }
    }

    fn here(address: &str) -> Result<Self> {
        let weights = PathBuf::from(address);
        if !weights.exists() {
            return Err(Error::NoWeights {
                address: address.to_owned(),
            });
        }
        let folder = if weights.is_dir() {
            Some(weights.as_path())
        } else {
            weights.parent()
        };
        let described = folder.filter(|folder| folder.join(CONFIG).is_file());
        Ok(Self {
            described: described.map(Path::to_owned),
            origin: address.to_owned(),
            path: weights,
        })
    }

    fn on_hub(address: &str, describe: bool, progress: &dyn Progress) -> Result<Self> {
        let reference: Reference = address.parse()?;
        let hub = Hub::from_env()?;
        let fetch = |name: &str| hub.fetch(&reference.file_or(name)?, progress);
        let weights = match fetch(WEIGHTS[0]) {
            // Older repositories hold PyTorch's own format alone.
            Err(error) if reference.file.is_none() && is_no_file(&error) => {
                fetch(WEIGHTS[1]).map_err(|_| error)?
            }
            other => other?,
        };
        let described = if describe {
            let commit = Revision::Commit(weights.commit.clone());
            let config = RemoteFile::new(reference.repo.clone(), commit, CONFIG)?;
            let config = hub.fetch(&config, progress)?;
            config.path.parent().map(Path::to_owned)
        } else {
            None
        };
        Ok(Self {
            origin: format!("{address} at commit {}", weights.commit),
            described,
            path: weights.path,
        })
    }
}

/// Whether the repository is there and the file is not.
fn is_no_file(error: &HubError) -> bool {
    let HubError::Fetch { cause, .. } = error else {
        return false;
    };
    matches!(**cause, Cause::NotFound { what } if what != "repository" && what != "revision")
}
