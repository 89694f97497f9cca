//! Files from the Hugging Face hub, pinned and verified: the only crate of SpectralKD that
//! opens a socket.
//!
//! A file is named `hf://owner/name[@revision][/file]` ([`Reference`]) and fetched through a
//! [`Source`]. The source for real work is [`Hub`]. It keeps files in the cache that Python's
//! `huggingface_hub` keeps, in the same layout, so that each finds what the other has fetched;
//! it holds every file, cached or new, against the digest that names it; it tries again after
//! what may pass, and gives up within a bounded time with one error that says what to do.
//! Contents that are not what the hub says they are never become visible in the cache.
//!
//! - [`reference`](crate::Reference): names, checked so that none leads out of the cache;
//! - [`Settings`]: endpoint, cache, token, offline, bounds, from the usual environment
//!   variables (`HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`, ...);
//! - [`Hub`]: the cache and the network behind one call;
//! - [`Weights`]: a model's weights, be they a file, a folder or a repository;
//! - [`Hub::reach`]: whether it answers at all, for a report on what works here;
//! - [`Digest`]: sha256 and git sha1, the names of contents;
//! - [`HubError`]: what can go wrong.
//!
//! The access token is sent to the endpoint and to no other host, and appears in no message.
//!
//! ```
//! use spectralkd_base::progress::Silent;
//! use spectralkd_hub::{Hub, HubError, Reference, Settings, Source};
//!
//! // Offline and with an empty cache there is one clear error; online this would fetch the file.
//! let mut settings = Settings::from_lookup(|_| None)?;
//! settings.cache = "/nonexistent".into();
//! settings.local_files_only = true;
//! let hub = Hub::new(settings);
//!
//! let reference: Reference = "hf://timm/deit_tiny_patch16_224.fb_in1k".parse()?;
//! let error = hub.fetch(&reference.file_or("model.safetensors")?, &Silent).unwrap_err();
//! assert!(matches!(error, HubError::Offline { .. }));
//! # Ok::<(), HubError>(())
//! ```

mod cache;
mod digest;
mod error;
mod hub;
mod online;
mod reach;
mod reference;
mod settings;
mod transport;
mod weights;

use std::path::PathBuf;

use spectralkd_base::progress::Progress;

pub use digest::Digest;
pub use error::{Cause, HubError, Result};
pub use hub::Hub;
pub use reach::Reached;
pub use reference::{Reference, RemoteFile, Repo, Revision};
pub use settings::{Limits, Settings, Token};
pub use weights::Weights;

/// Where remote files come from. [`Hub`] is the one for real work; tests put their own in its place.
pub trait Source: Send + Sync {
    /// Makes `file` available on this machine and says where; blocks until it is, or cannot be.
    ///
    /// # Errors
    /// Those of the source; for [`Hub`] see [`HubError`].
    fn fetch(&self, file: &RemoteFile, progress: &dyn Progress) -> Result<Fetched>;
}

/// A file that is here now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// Where it stands; by its last part it has the name it has on the hub.
    pub path: PathBuf,
    /// The commit it is from, 40 hex digits, whatever revision was asked for: what to record.
    pub commit: String,
    /// The digest its contents have been held against.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it had to be transferred.
    pub origin: Origin,
}

/// Where the contents of a [`Fetched`] file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the cache, where they were already.
    Cache,
    /// From the network, just now.
    Network,
}
