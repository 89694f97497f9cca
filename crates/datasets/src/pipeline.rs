//! From a sample to a view.

use std::path::Path;

use spectralkd_base::random::Stream;

use crate::erase::ErasedBox;
use crate::geometry::Placement;
use crate::image::Image;
use crate::{Dataset, DatasetError, Erase, Geometry, Mix, Mixing, Result, Sample, View, ViewKey};

/// What makes views out of images: everything up to the levels in 8 bits, and what finishes
/// them, drawn by the view's key.
///
/// Images are decoded, brought to the channels asked for (as Pillow's `convert("RGB")` or
/// `convert("L")`), and cut and resized; then come the draws. The order in which a view is
/// finished is [`Render`](crate::Render)'s.
///
/// ```
/// use spectralkd_datasets::{Geometry, Pipeline, Raw, Sample, ViewKey};
///
/// let photograph = Sample::Raw(Raw::new([3, 90, 120], vec![128; 3 * 90 * 120])?);
/// let training = Pipeline {
///     flip: 0.5,
///     ..Pipeline::new([32, 32], 3, Geometry::random_resized_crop())
/// };
/// let key = ViewKey { seed: 7, epoch: 3, index: 0, repeat: 0 };
/// let view = training.view(&photograph, &key)?;
/// assert_eq!(view.pixels.len(), 3 * 32 * 32);
/// assert_eq!(view, training.view(&photograph, &key)?);
/// # Ok::<(), spectralkd_datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Height and width of the views in pixels, at least 1.
    pub size: [usize; 2],
    /// Channels of the views: 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Which part of the image is seen, in which size.
    pub geometry: Geometry,
    /// The probability that a view is mirrored, left and right; 0 to 1.
    pub flip: f64,
    /// Random erasing.
    pub erase: Option<Erase>,
    /// Mixing of the images of a batch.
    pub mix: Option<Mix>,
}

/// What is done to a view's levels after them.
pub(crate) struct Finish {
    pub(crate) flip: bool,
    pub(crate) erased: Vec<ErasedBox>,
}

impl Pipeline {
    /// A pipeline that draws nothing but what its geometry does: for evaluation.
    pub fn new(size: [usize; 2], channels: usize, geometry: Geometry) -> Self {
        Self {
            size,
            channels,
            geometry,
            flip: 0.0,
            erase: None,
            mix: None,
        }
    }

    /// Checks the sizes and all that is drawn.
    ///
    /// # Errors
    /// [`DatasetError::Pipeline`], or [`DatasetError::Channels`].
    pub fn check(&self) -> Result<()> {
        check_channels(self.channels)?;
        let flip = match (0.0..=1.0).contains(&self.flip) {
            true => Ok(()),
            false => Err(format!(
                "mirroring with probability {}; it is 0 to 1",
                self.flip
            )),
        };
        let checked = self
            .geometry
            .check(self.size)
            .and(flip)
            .and_then(|()| self.erase.map_or(Ok(()), |erase| erase.check()))
            .and_then(|()| self.mix.map_or(Ok(()), |mix| mix.check()));
        checked.map_err(|reason| DatasetError::Pipeline { reason })
    }

    /// Channels, height and width of every view.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.size[0], self.size[1]]
    }

    /// The view of this sample for this key. Messages call the image by its index.
    ///
    /// # Errors
    /// Those of [`Pipeline::check`]; [`DatasetError::UnsupportedPicture`],
    /// [`DatasetError::DamagedPicture`], or [`DatasetError::Image`] if the geometry cannot take
    /// an image of this size.
    pub fn view(&self, sample: &Sample<'_>, key: &ViewKey) -> Result<View> {
        self.named_view(sample, key, &|| format!("image {}", key.index))
    }

    /// The view of image `key.index` of this set.
    ///
    /// # Errors
    /// Those of [`Dataset::sample`] and of [`Pipeline::view`], naming the image.
    pub fn view_of(&self, dataset: &dyn Dataset, key: &ViewKey) -> Result<View> {
        let index = key.index as usize;
        let sample = dataset.sample(index)?;
        self.named_view(&sample, key, &|| dataset.name(index))
    }

    /// In how many versions an image may be seen, where they can be counted: one, or two with
    /// flips. `None` where views are drawn from more, or mixed.
    pub fn versions(&self) -> Option<u32> {
        let fixed = !matches!(self.geometry, Geometry::RandomResizedCrop { .. });
        let counted = fixed && self.erase.is_none() && self.mix.is_none();
        counted.then_some(if self.flip > 0.0 { 2 } else { 1 })
    }

    /// Which of its versions a view is: 0, or 1 where it is flipped. `None` where they cannot be
    /// counted.
    pub fn version(&self, flipped: bool) -> Option<u32> {
        self.versions().map(|_| u32::from(flipped))
    }

    /// The pipeline that shows every image in this version, whatever the key; `None` if there
    /// is no such version.
    pub fn fixed(&self, version: u32) -> Option<Self> {
        let exists = self.versions().is_some_and(|count| version < count);
        exists.then(|| Self {
            flip: f64::from(version),
            ..self.clone()
        })
    }

    /// Whether the image is mirrored in the view of this key.
    pub fn flips(&self, key: &ViewKey) -> bool {
        self.flip > 0.0 && key.stream("flip").bernoulli(self.flip)
    }

    /// How batch `number` of an epoch, of `len` views, is mixed; `None` if it is not.
    pub fn mixing(&self, seed: u64, epoch: u64, number: u64, len: usize) -> Option<Vec<Mixing>> {
        let mut stream = Stream::new(seed, "mix").at(epoch).at(number);
        self.mix?.draw(&mut stream, self.size, len)
    }

    fn named_view(
        &self,
        sample: &Sample<'_>,
        key: &ViewKey,
        name: &dyn Fn() -> String,
    ) -> Result<View> {
        self.check()?;
        let mut pixels = vec![0; self.shape().iter().product()];
        let Finish { flip, erased } = self.fill(sample, key, name, &mut pixels)?;
        Ok(View {
            pixels,
            flip,
            erased,
        })
    }

    /// Writes the levels of the view to `levels`, `[C, H, W]`, zero before. The pipeline is
    /// checked.
    pub(crate) fn fill(
        &self,
        sample: &Sample<'_>,
        key: &ViewKey,
        name: &dyn Fn() -> String,
        levels: &mut [u8],
    ) -> Result<Finish> {
        match sample {
            // Nothing to be done, and no need to go through anything.
            Sample::Raw(raw) if self.geometry == Geometry::AsIs && raw.shape() == self.shape() => {
                levels.copy_from_slice(raw.pixels());
            }
            _ => {
                let image = Image::decode(sample, self.channels)
                    .map_err(|fault| fault.of(Path::new(&name())))?;
                let placement = self.place(image.size, key, name)?;
                image.place(&placement, self.size, levels);
            }
        }
        Ok(Finish {
            flip: self.flips(key),
            erased: match &self.erase {
                Some(erase) => erase.draw(key, self.size),
                None => Vec::new(),
            },
        })
    }

    fn place(
        &self,
        image: [usize; 2],
        key: &ViewKey,
        name: &dyn Fn() -> String,
    ) -> Result<Placement> {
        let placement = self.geometry.place(image, self.size, || key.stream("crop"));
        placement.map_err(|reason| DatasetError::Image {
            name: name(),
            reason,
        })
    }
}

pub(crate) fn check_channels(channels: usize) -> Result<()> {
    match channels {
        1 | 3 => Ok(()),
        _ => Err(DatasetError::Channels { channels }),
    }
}
