//! A set of labelled images in memory.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::{Dataset, DatasetError, Raw, Result, Sample};

/// Labelled images of one shape, as bytes: `[N, C, H, W]`, row-major, 0 black and 255 full.
///
/// A set is never empty, every label is the number of a class, and there are at most
/// `u32::MAX` images.
#[derive(Clone, Debug)]
pub struct ImageSet {
    shape: [usize; 3],
    pixels: Vec<u8>,
    labels: Vec<u32>,
    classes: Vec<String>,
    /// What it is called in messages; may be empty.
    name: String,
    sha256: OnceLock<String>,
}

impl ImageSet {
    /// A set of images of `shape` = `[C, H, W]`: `pixels` holds one image after another,
    /// `labels` one class number per image, `classes` the name of each class.
    ///
    /// # Errors
    /// [`DatasetError::Empty`], [`DatasetError::PixelCount`], [`DatasetError::Label`] or
    /// [`DatasetError::TooManyImages`].
    pub fn new(
        shape: [usize; 3],
        pixels: Vec<u8>,
        labels: Vec<u32>,
        classes: Vec<String>,
    ) -> Result<Self> {
        let images = labels.len();
        if images == 0 || shape.contains(&0) {
            return Err(DatasetError::Empty { images, shape });
        }
        if u32::try_from(images).is_err() {
            return Err(DatasetError::TooManyImages { images });
        }
        let expected = shape
            .iter()
            .try_fold(images, |product, &size| product.checked_mul(size));
        if expected != Some(pixels.len()) {
            return Err(DatasetError::PixelCount {
                pixels: pixels.len(),
                images,
                shape,
            });
        }
        if let Some(index) = labels.iter().position(|&l| l as usize >= classes.len()) {
            return Err(DatasetError::Label {
                index,
                label: labels[index],
                classes: classes.len(),
            });
        }
        Ok(Self {
            shape,
            pixels,
            labels,
            classes,
            name: String::new(),
            sha256: OnceLock::new(),
        })
    }

    /// The same set, called so in messages: "image 17 of `name`".
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The number of images, at least 1.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images: never.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Channels, height and width of every image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The names of the classes; label `k` means `classes()[k]`.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The label of every image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// How many images each class has.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in &self.labels {
            counts[label as usize] += 1;
        }
        counts
    }

    /// The bytes of image `i`, `[C, H, W]`.
    ///
    /// # Panics
    /// If `i` is not below [`ImageSet::len`], as for a slice.
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.image_size();
        &self.pixels[i * size..][..size]
    }

    /// The values of these images as grey levels in [0, 1] (byte / 255), one row of
    /// C * H * W values per image: what a linear classifier on pixels sees.
    ///
    /// # Errors
    /// [`DatasetError::Index`] if an index is past the end.
    pub fn pixels(&self, indices: &[u32]) -> Result<Vec<f32>> {
        let indices = self.positions(indices)?;
        let bytes = indices.iter().flat_map(|&i| self.image(i));
        Ok(bytes.map(|&byte| f32::from(byte) / 255.0).collect())
    }

    /// A set of these images, in this order; an index may come more than once. Takes
    /// indices of any whole-number type (`&[usize]`, `&[u32]`).
    ///
    /// # Errors
    /// [`DatasetError::Index`] if an index is past the end, [`DatasetError::Empty`] if there
    /// is none.
    pub fn subset<I: Copy + TryInto<u64>>(&self, indices: &[I]) -> Result<Self> {
        let indices = self.positions(indices)?;
        let pixels = indices.iter().flat_map(|&i| self.image(i)).copied();
        let labels = indices.iter().map(|&i| self.labels[i]);
        let subset = Self::new(
            self.shape,
            pixels.collect(),
            labels.collect(),
            self.classes.clone(),
        )?;
        Ok(match self.name.as_str() {
            "" => subset,
            name => subset.named(format!("a selection from {name}")),
        })
    }

    /// The SHA-256 of the set, in hexadecimal, over N, C, H, W (u64, little endian), the
    /// images' bytes and the labels (u32, little endian). Computed once, when first asked for.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| {
            let mut hash = Sha256::new();
            hash.update((self.len() as u64).to_le_bytes());
            for size in self.shape {
                hash.update((size as u64).to_le_bytes());
            }
            hash.update(&self.pixels);
            for label in &self.labels {
                hash.update(label.to_le_bytes());
            }
            crate::hexadecimal(&hash.finalize())
        })
    }

    /// The values of one image: C * H * W.
    pub(crate) fn image_size(&self) -> usize {
        self.shape.iter().product()
    }

    /// The indices, checked.
    pub(crate) fn positions<I: Copy + TryInto<u64>>(&self, indices: &[I]) -> Result<Vec<usize>> {
        let check = |index: I| {
            let index = index.try_into().unwrap_or(u64::MAX);
            match usize::try_from(index) {
                Ok(i) if i < self.len() => Ok(i),
                _ => Err(DatasetError::Index {
                    index,
                    len: self.len(),
                }),
            }
        };
        indices.iter().map(|&index| check(index)).collect()
    }
}

impl Dataset for ImageSet {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index).copied()
    }

    fn sample(&self, index: usize) -> Result<Sample<'_>> {
        self.check(index)?;
        Ok(Sample::Raw(Raw::new(self.shape, self.image(index))?))
    }

    fn name(&self, index: usize) -> String {
        match self.name.as_str() {
            "" => format!("image {index}"),
            name => format!("image {index} of {name}"),
        }
    }

    /// [`ImageSet::sha256`].
    fn digest(&self) -> Result<String> {
        Ok(self.sha256().to_owned())
    }
}
