//! What every source of images has in common.

use std::borrow::Cow;
use std::fmt::Debug;

use crate::{DatasetError, Result};

/// Images by index, with or without classes.
///
/// Threads share it: reading image 3 must not depend on what was read before. An
/// implementation of your own reports its failures as [`DatasetError::Sample`], naming the
/// image; a panic in it is caught by the [`Loader`](crate::Loader) and reported in its place.
///
/// ```
/// use spectralkd_datasets::{Dataset, Raw, Result, Sample};
///
/// /// 100 flat grey images, the brighter half of class 1.
/// #[derive(Debug)]
/// struct Levels {
///     classes: Vec<String>,
/// }
///
/// impl Dataset for Levels {
///     fn len(&self) -> usize {
///         100
///     }
///     fn classes(&self) -> &[String] {
///         &self.classes
///     }
///     fn label(&self, index: usize) -> Option<u32> {
///         (index < self.len()).then_some(u32::from(index >= 50))
///     }
///     fn sample(&self, index: usize) -> Result<Sample<'_>> {
///         self.check(index)?;
///         Ok(Sample::Raw(Raw::new([1, 8, 8], vec![index as u8; 64])?))
///     }
///     fn name(&self, index: usize) -> String {
///         format!("level {index}")
///     }
///     fn digest(&self) -> Result<String> {
///         Ok("levels, version 1".to_owned())
///     }
/// }
///
/// let levels = Levels { classes: vec!["dark".to_owned(), "light".to_owned()] };
/// assert_eq!(levels.class_balanced(2)?, [0, 1, 50, 51]);
/// # Ok::<(), spectralkd_datasets::DatasetError>(())
/// ```
pub trait Dataset: Send + Sync + Debug {
    /// The number of images, at least 1 and at most `u32::MAX`.
    fn len(&self) -> usize;

    /// Whether there are no images: never.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the classes; label `k` means `classes()[k]`. Empty for a set without
    /// labels.
    fn classes(&self) -> &[String];

    /// The class of image `index`; `None` for a set without labels, and past the end.
    fn label(&self, index: usize) -> Option<u32>;

    /// Image `index` as it is stored.
    ///
    /// # Errors
    /// [`DatasetError::Index`] past the end; where an image cannot be read, an error that
    /// names it.
    fn sample(&self, index: usize) -> Result<Sample<'_>>;

    /// What image `index` is called in messages: its path, or "image 17 of
    /// train-images-idx3-ubyte". Any index is allowed.
    fn name(&self, index: usize) -> String;

    /// A text that is the same for the same set and, as far as can be told without decoding it, another
    /// for another: what a run records, and what kept results are looked up by.
    ///
    /// # Errors
    /// A file of the set cannot be looked at.
    fn digest(&self) -> Result<String>;

    /// Checks that there is an image `index`.
    ///
    /// # Errors
    /// [`DatasetError::Index`].
    fn check(&self, index: usize) -> Result<()> {
        if index < self.len() {
            return Ok(());
        }
        Err(DatasetError::Index {
            index: index as u64,
            len: self.len(),
        })
    }

    /// The first `per_class` images of every class, as ascending indices: a batch, or a
    /// smaller set ([`Subset`](crate::Subset)), in which all classes count the same.
    ///
    /// # Errors
    /// [`DatasetError::NoLabels`]; [`DatasetError::ClassTooSmall`], naming the smallest class.
    fn class_balanced(&self, per_class: usize) -> Result<Vec<u32>> {
        let classes = self.classes();
        let mut found = vec![0; classes.len()];
        let mut chosen = Vec::new();
        for index in 0..self.len() {
            let label = self.label(index).ok_or(DatasetError::NoLabels)?;
            let Some(found) = found.get_mut(label as usize) else {
                let classes = classes.len();
                return Err(DatasetError::Label {
                    index,
                    label,
                    classes,
                });
            };
            if *found < per_class {
                chosen.push(index as u32);
            }
            *found += 1;
        }
        let smallest = (0..classes.len()).min_by_key(|&class| found[class]);
        match smallest.filter(|&class| found[class] < per_class) {
            None => Ok(chosen),
            Some(class) => Err(DatasetError::ClassTooSmall {
                class,
                name: classes[class].clone(),
                found: found[class],
                wanted: per_class,
            }),
        }
    }
}

/// An image as a source stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample<'a> {
    /// Its grey levels or colours.
    Raw(Raw<'a>),
    /// The content of its file, JPEG or PNG.
    Encoded(Vec<u8>),
}

/// The bytes of one image, `[C, H, W]`: one plane of levels (0 black, 255 full) per channel,
/// row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    shape: [usize; 3],
    pixels: Cow<'a, [u8]>,
}

impl<'a> Raw<'a> {
    /// An image of `shape` = `[C, H, W]`; C is 1 (grey) or 3 (red, green, blue).
    ///
    /// # Errors
    /// [`DatasetError::PixelCount`] if the bytes do not fit the shape or there are none,
    /// [`DatasetError::Channels`] for another C.
    pub fn new(shape: [usize; 3], pixels: impl Into<Cow<'a, [u8]>>) -> Result<Self> {
        let pixels = pixels.into();
        let [channels, height, width] = shape;
        let expected = height
            .checked_mul(width)
            .and_then(|n| n.checked_mul(channels));
        if pixels.is_empty() || expected != Some(pixels.len()) {
            return Err(DatasetError::PixelCount {
                pixels: pixels.len(),
                images: 1,
                shape,
            });
        }
        if ![1, 3].contains(&channels) {
            return Err(DatasetError::Channels { channels });
        }
        Ok(Self { shape, pixels })
    }

    /// Channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The levels, `[C, H, W]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}
