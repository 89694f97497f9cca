//! What an analysis and a comparison are told beside their sources.

use std::path::PathBuf;

use spectralkd_base::provenance::Provenance;

use crate::ImagesFrom;

/// How to analyse and to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// Images for models; files of features need none.
    pub images: Option<ImagesFrom>,
    /// At most so many images, the first ones.
    pub limit: Option<usize>,
    /// Images at a time; at least 1.
    pub batch: usize,
    /// Seed of the random permutations.
    pub seed: u64,
    /// The folder to write.
    pub out: PathBuf,
    /// Whether to move an earlier folder aside.
    pub fresh: bool,
    /// The code that runs.
    pub provenance: Provenance,
}

impl Options {
    /// How many of `count` images are looked at.
    pub(crate) fn limited(&self, count: usize) -> usize {
        self.limit.map_or(count, |limit| limit.min(count))
    }

    /// Where the images come from, in words.
    pub(crate) fn images_in_words(&self) -> String {
        let from = match &self.images {
            None => "features that were there".to_owned(),
            Some(ImagesFrom::Tensor(path)) => format!("`images` of {}", path.display()),
            Some(ImagesFrom::Folder(path)) => format!("pictures in {}", path.display()),
        };
        match self.limit {
            None => from,
            Some(limit) => format!("{from}, the first {limit} at most"),
        }
    }
}
