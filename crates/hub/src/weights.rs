//! A model's weights by their address, wherever they are.

use std::path::{Path, PathBuf};

use spectralkd_base::progress::Progress;

use crate::error::{Cause, HubError, Result};
use crate::reference::{Reference, RemoteFile, Revision};
use crate::{Hub, Source};

/// The file that says which model a folder or repository holds.
const CONFIG: &str = "config.json";
/// Where weights stand in a repository, best first.
const NAMES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// Weights that are on this machine now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Weights {
    /// A file, or a folder of the user's own.
    pub path: PathBuf,
    /// The folder with their `config.json`, where there is one.
    pub described: Option<PathBuf>,
    /// Their address; on the hub with the commit, so that it always means these very bytes.
    pub origin: String,
}

impl Weights {
    /// Weights in a file, in a folder, or at `hf://owner/name[@revision][/file]` on the hub that the environment names.
    /// The `config.json` beside them is fetched too where they should be `described`.
    ///
    /// # Errors
    /// [`HubError::NoWeights`] where nothing is at that path; those of [`Weights::fetch`] on the hub.
    pub fn find(address: &str, described: bool, progress: &dyn Progress) -> Result<Self> {
        if Reference::looks_like_one(address) {
            let hub = Hub::from_env()?;
            return Self::fetch(&address.parse()?, described, &hub, progress);
        }
        let path = PathBuf::from(address);
        if !path.exists() {
            return Err(HubError::NoWeights { path });
        }
        let folder = if path.is_dir() {
            Some(path.as_path())
        } else {
            path.parent()
        };
        Ok(Self {
            described: folder
                .filter(|folder| folder.join(CONFIG).is_file())
                .map(Path::to_owned),
            origin: address.to_owned(),
            path,
        })
    }

    /// Weights in a repository: the named file, else `model.safetensors`, else PyTorch's own `pytorch_model.bin`, which
    /// is all that older repositories hold. Their `config.json` is of the same commit.
    ///
    /// # Errors
    /// Those of `source`. A repository without `config.json` is none: [`Weights::described`] is then `None`.
    pub fn fetch(
        reference: &Reference,
        described: bool,
        source: &dyn Source,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let fetch = |name: &str| {
            let file = reference.file_or(name)?;
            let fetched = source.fetch(&file, progress)?;
            Ok((file, fetched))
        };
        let (file, weights) = match fetch(NAMES[0]) {
            Err(error) if reference.file.is_none() && is_no_file(&error) => {
                fetch(NAMES[1]).map_err(|_| error)?
            }
            other => other?,
        };
        let of_commit = |path: &str| {
            let commit = Revision::Commit(weights.commit.clone());
            RemoteFile::new(reference.repo.clone(), commit, path)
        };
        let described = if described {
            config(&of_commit(CONFIG)?, source, progress)?
        } else {
            None
        };
        Ok(Self {
            origin: of_commit(file.path())?.to_string(),
            described,
            path: weights.path,
        })
    }
}

/// The folder with a `config.json`, if there is one.
fn config(
    file: &RemoteFile,
    source: &dyn Source,
    progress: &dyn Progress,
) -> Result<Option<PathBuf>> {
    match source.fetch(file, progress) {
        Ok(config) => Ok(config.path.parent().map(Path::to_owned)),
        Err(error) if is_no_file(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the repository is there and the file is not.
fn is_no_file(error: &HubError) -> bool {
    let HubError::Fetch { cause, .. } = error else {
        return false;
    };
    matches!(**cause, Cause::NotFound { what } if what != "repository" && what != "revision")
}
