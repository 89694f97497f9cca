//! Names of things on the hub: `hf://owner/name[@revision][/file]`, checked while parsed.
//!
//! Every part ends up in a path of the cache and in a URL, so that what could leave the
//! cache folder or change the URL's meaning is refused here, and nowhere later.

mod rules;

use std::fmt;
use std::str::FromStr;

use crate::error::{HubError, Result};

pub(crate) use rules::is_commit;
use rules::{check_path, check_repo_part, check_revision};

const SCHEME: &str = "hf://";

/// A model repository on the hub, `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repo {
    owner: String,
    name: String,
}

impl Repo {
    /// A repository by its owner (a user or an organisation) and its name.
    ///
    /// # Errors
    /// [`HubError::Reference`] where a part is not one of the hub's: letters, digits, `-`, `_`
    /// and `.`, at most 96 characters, neither `--` nor `..`, no `-` or `.` at either end.
    pub fn new(owner: &str, name: &str) -> Result<Self> {
        let text = || format!("{owner}/{name}");
        check_repo_part(owner, "owner").map_err(|reason| refused(&text(), &reason))?;
        check_repo_part(name, "name").map_err(|reason| refused(&text(), &reason))?;
        Ok(Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The user or organisation.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name within the owner's repositories.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// Which state of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    /// A commit by its 40 hex digits: always the same files.
    Commit(String),
    /// A branch, a tag or another git reference, which may come to mean another commit.
    Name(String),
}

impl Revision {
    /// The revision as git and the hub write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Commit(text) | Self::Name(text) => text,
        }
    }
}

/// The branch `main`, the hub's default.
impl Default for Revision {
    fn default() -> Self {
        Self::Name("main".to_owned())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Forty hex digits are a commit (made lower case), all else is a name.
impl FromStr for Revision {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self> {
        if is_commit(&text.to_ascii_lowercase()) {
            return Ok(Self::Commit(text.to_ascii_lowercase()));
        }
        check_revision(text).map_err(|reason| refused(text, &reason))?;
        Ok(Self::Name(text.to_owned()))
    }
}

/// A parsed `hf://owner/name[@revision][/file]`.
///
/// A `/` within the revision is written `%2F`: `hf://owner/name@refs%2Fpr%2F1/file`. Without a
/// revision the branch `main` is meant.
///
/// ```
/// use spectralkd_hub::Reference;
///
/// let reference: Reference = "hf://timm/deit_tiny_patch16_224.fb_in1k@main/model.safetensors".parse()?;
/// assert_eq!(reference.repo.name(), "deit_tiny_patch16_224.fb_in1k");
/// assert_eq!(reference.file.as_deref(), Some("model.safetensors"));
///
/// let whole: Reference = "hf://timm/deit_tiny_patch16_224.fb_in1k".parse()?;
/// let weights = whole.file_or("model.safetensors")?;
/// assert_eq!(weights.to_string(), "hf://timm/deit_tiny_patch16_224.fb_in1k@main/model.safetensors");
/// # Ok::<(), spectralkd_hub::HubError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The repository.
    pub repo: Repo,
    /// The state of the repository; `main` where none was written.
    pub revision: Revision,
    /// The file within the repository, where one was written.
    pub file: Option<String>,
}

impl Reference {
    /// Whether `text` starts as a name on the hub does (`hf://`), and is no local path.
    #[must_use]
    pub fn looks_like_one(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// The named file, or the file `default` where the reference names the repository alone.
    ///
    /// # Errors
    /// [`HubError::Reference`] where `default` is no path within a repository.
    pub fn file_or(&self, default: &str) -> Result<RemoteFile> {
        let path = self.file.as_deref().unwrap_or(default);
        RemoteFile::new(self.repo.clone(), self.revision.clone(), path)
    }
}

impl FromStr for Reference {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: &str| refused(text, reason);
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| wrong("it does not start with hf://"))?;
        let mut parts = rest.splitn(3, '/');
        let owner = parts.next().unwrap_or_default();
        let second = parts
            .next()
            .ok_or_else(|| wrong("it has no \"/\" between owner and name"))?;
        if ["datasets", "spaces", "buckets", "models"].contains(&owner) {
            return Err(wrong(
                "only model repositories are read, and those are written without a kind before the owner",
            ));
        }
        let (name, revision) = match second.split_once('@') {
            Some((name, revision)) => (name, Some(revision)),
            None => (second, None),
        };
        check_repo_part(owner, "owner").map_err(|reason| wrong(&reason))?;
        check_repo_part(name, "name").map_err(|reason| wrong(&reason))?;
        let revision = match revision {
            Some(revision) => {
                let revision = revision.replace("%2F", "/").replace("%2f", "/");
                revision.parse().map_err(|error| match error {
                    HubError::Reference { reason, .. } => wrong(&reason),
                    other => other,
                })?
            }
            None => Revision::default(),
        };
        let file = parts.next().map(str::to_owned);
        if let Some(file) = &file {
            check_path(file).map_err(|reason| wrong(&reason))?;
        }
        Ok(Self {
            repo: Repo {
                owner: owner.to_owned(),
                name: name.to_owned(),
            },
            revision,
            file,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{SCHEME}{}@{}",
            self.repo,
            self.revision.as_str().replace('/', "%2F")
        )?;
        self.file
            .as_ref()
            .map_or(Ok(()), |file| write!(f, "/{file}"))
    }
}

/// One file of a repository at one revision: what can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteFile {
    repo: Repo,
    revision: Revision,
    path: String,
}

impl RemoteFile {
    /// The file `path`, relative to the root of `repo` and with `/` between folders.
    ///
    /// # Errors
    /// [`HubError::Reference`] where `path` is no path within a repository: it is empty or
    /// absolute, has an empty part, `.` or `..`, a `\` or a control character.
    pub fn new(repo: Repo, revision: Revision, path: &str) -> Result<Self> {
        check_path(path).map_err(|reason| refused(&format!("{SCHEME}{repo}/{path}"), &reason))?;
        Ok(Self {
            repo,
            revision,
            path: path.to_owned(),
        })
    }

    /// The repository.
    #[must_use]
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The revision as it was asked for.
    #[must_use]
    pub fn revision(&self) -> &Revision {
        &self.revision
    }

    /// The path within the repository.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// As a [`Reference`] is written.
impl fmt::Display for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{SCHEME}{}@{}/{}",
            self.repo,
            self.revision.as_str().replace('/', "%2F"),
            self.path
        )
    }
}

fn refused(text: &str, reason: &str) -> HubError {
    HubError::Reference {
        text: text.to_owned(),
        reason: reason.to_owned(),
    }
}
