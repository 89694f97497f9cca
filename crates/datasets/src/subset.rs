//! Some of the images of another set.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::{Dataset, DatasetError, Result, Sample};

/// These images of another set, in this order; an index may come more than once. Nothing is
/// copied, and images keep the names that they have in the whole set.
///
/// ```
/// use std::sync::Arc;
/// use spectralkd_datasets::{Dataset, ImageSet, Subset};
///
/// let classes = vec!["a".to_owned(), "b".to_owned()];
/// let set: Arc<dyn Dataset> = Arc::new(ImageSet::new([1, 1, 1], vec![0; 4], vec![0, 0, 1, 1], classes)?);
/// let small = Subset::new(set.clone(), set.class_balanced(1)?)?;
/// assert_eq!((small.len(), small.label(1)), (2, Some(1)));
/// assert_eq!(small.name(1), set.name(2));
/// # Ok::<(), spectralkd_datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Subset {
    whole: Arc<dyn Dataset>,
    indices: Vec<u32>,
}

impl Subset {
    /// The images `indices` of `whole`.
    ///
    /// # Errors
    /// [`DatasetError::Index`] if an index is past the end, [`DatasetError::NoImages`] if there
    /// is none, [`DatasetError::TooManyImages`].
    pub fn new(whole: Arc<dyn Dataset>, indices: Vec<u32>) -> Result<Self> {
        if indices.is_empty() {
            return Err(DatasetError::NoImages);
        }
        if u32::try_from(indices.len()).is_err() {
            return Err(DatasetError::TooManyImages {
                images: indices.len(),
            });
        }
        for &index in &indices {
            whole.check(index as usize)?;
        }
        Ok(Self { whole, indices })
    }

    /// The set that they are images of.
    pub fn whole(&self) -> &Arc<dyn Dataset> {
        &self.whole
    }

    /// Where they stand in it.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }
}

impl Dataset for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn classes(&self) -> &[String] {
        self.whole.classes()
    }

    fn label(&self, index: usize) -> Option<u32> {
        let &index = self.indices.get(index)?;
        self.whole.label(index as usize)
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>> {
        self.check(index)?;
        self.whole.sample(self.indices[index] as usize)
    }

    fn name(&self, index: usize) -> String {
        match self.indices.get(index) {
            Some(&index) => self.whole.name(index as usize),
            None => format!("image {index} of a subset of {}", self.len()),
        }
    }

    /// The SHA-256 over the digest of the whole set and the indices (u32, little endian), in
    /// hexadecimal.
    fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update(self.whole.digest()?);
        for index in &self.indices {
            hash.update(index.to_le_bytes());
        }
        Ok(crate::hexadecimal(&hash.finalize()))
    }
}
