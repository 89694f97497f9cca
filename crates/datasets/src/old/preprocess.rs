//! From a decoded picture to the model's input, as timm evaluates.

use crate::picture::Picture;
use crate::rect::Rect;
use crate::resize::Resize;
use crate::{DatasetError, Normalise, Result};

/// timm's evaluation transform (`create_transform(is_training=False)` with `crop_mode`
/// "center" and bicubic interpolation): the picture's sides are scaled together until the
/// shorter one has floor(`size` / `crop_pct`) pixels, the centre is cut out, and the levels are
/// brought to [0, 1] and normalised.
///
/// Resizing is Pillow's (bicubic, antialiased, in 8 bits) to the bit, the rounding of sizes
/// and offsets is torchvision's, and with PNGs the result equals timm's to the last bits of
/// f32. Where the resized picture is smaller than `size`, black pixels are added around.
///
/// ```
/// use spectralkd_datasets::{Normalise, Picture, old::Preprocess};
///
/// let preprocess = Preprocess { size: [224, 224], crop_pct: 0.9, normalise: Normalise::imagenet() };
/// assert_eq!(preprocess.resized([375, 500])?, [248, 330]);
///
/// let grey = Picture::new(375, 500, vec![128; 375 * 500 * 3])?;
/// let values = preprocess.apply(&grey)?; // [3, 224, 224]
/// assert_eq!(values.len(), 3 * 224 * 224);
/// assert!((values[0] - (128. / 255. - 0.485) / 0.229).abs() < 1e-6);
/// # Ok::<(), spectralkd_datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// Height and width of the model's input in pixels, at least 1.
    pub size: [usize; 2],
    /// The part of the resized picture's shorter side that is kept: 0.9 for DeiT and Swin,
    /// 1.0 for CaiT; above 0.
    pub crop_pct: f64,
    /// What is done to the three channels.
    pub normalise: Normalise,
}

/// Longer sides are refused: 16 times the largest input of any ImageNet model.
const LONGEST_INPUT: usize = 16_384;

impl Preprocess {
    /// Checks the sizes, `crop_pct`, and the normalisation for three channels.
    ///
    /// # Errors
    /// [`DatasetError::Preprocess`], or those of [`Normalise::check`].
    pub fn check(&self) -> Result<()> {
        let usable = |size: usize| (1..=LONGEST_INPUT).contains(&size);
        if !self.size.into_iter().all(usable) {
            return Err(DatasetError::Preprocess {
                reason: format!(
                    "an input of {}x{} pixels (height x width); 1 to {LONGEST_INPUT} each can be made",
                    self.size[0], self.size[1]
                ),
            });
        }
        if !(self.crop_pct.is_finite() && self.scaled().into_iter().all(usable)) {
            return Err(DatasetError::Preprocess {
                reason: format!(
                    "crop_pct {} for an input of {}x{} pixels; it is the part of the resized \
                     picture that is kept, such as 0.875, 0.9 or 1.0",
                    self.crop_pct, self.size[0], self.size[1]
                ),
            });
        }
        self.normalise.check(3)
    }

    /// The least size of the resized picture.
    fn scaled(&self) -> [usize; 2] {
        self.size
            .map(|size| (size as f64 / self.crop_pct).floor() as usize)
    }

    /// The `[height, width]` to which a picture of this `[height, width]` is resized before the
    /// crop.
    ///
    /// # Errors
    /// Those of [`Preprocess::check`]; [`DatasetError::Preprocess`] if the picture is so
    /// narrow that the longer side would pass all bounds.
    pub fn resized(&self, picture: [usize; 2]) -> Result<[usize; 2]> {
        self.check()?;
        let [height, width] = picture;
        let scaled = self.scaled();
        let resized = if scaled[0] == scaled[1] {
            // torchvision's Resize(int): the longer side is cut to a whole number.
            let (short, long) = (height.min(width), height.max(width));
            let long = ((scaled[0] as u128 * long as u128) as f64 / short as f64) as usize;
            if width <= height {
                [long, scaled[0]]
            } else {
                [scaled[0], long]
            }
        } else {
            // timm's ResizeKeepRatio: both are rounded, ties to even.
            let ratio = (height as f64 / scaled[0] as f64).min(width as f64 / scaled[1] as f64);
            picture.map(|side| (side as f64 / ratio).round_ties_even() as usize)
        };
        // Each side's taps and one intermediate column are held in memory, not the whole.
        if height == 0 || width == 0 || resized.into_iter().any(|side| side > MOST_RESIZED) {
            return Err(DatasetError::Preprocess {
                reason: format!(
                    "a picture of {height}x{width} pixels (height x width) is too narrow to be resized to {}x{}",
                    resized[0], resized[1]
                ),
            });
        }
        Ok(resized)
    }

    /// The model's input for this picture, `[3, H, W]`: (level / 255 - mean) / std.
    ///
    /// # Errors
    /// Those of [`Preprocess::check`] and [`Preprocess::resized`].
    pub fn apply(&self, picture: &Picture) -> Result<Vec<f32>> {
        let [height, width] = self.size;
        let mut values = vec![0.0; 3 * height * width];
        self.apply_into(picture, &mut values)?;
        Ok(values)
    }

    /// [`Preprocess::apply`] into `values` of 3 * H * W.
    pub(crate) fn apply_into(&self, picture: &Picture, values: &mut [f32]) -> Result<()> {
        let resized = self.resized([picture.height(), picture.width()])?;
        let [height, width] = self.size;
        let down = Crop::new(resized[0], height);
        let across = Crop::new(resized[1], width);
        let window = Rect {
            top: down.start,
            left: across.start,
            height: down.count,
            width: across.count,
        };
        let rows = picture.pixels().chunks_exact(3 * picture.width());
        let size = [picture.height(), picture.width()];
        let pixels = Resize::new(size, resized, window).apply::<3>(rows);

        let planes = values.chunks_exact_mut(height * width);
        for (channel, (plane, table)) in planes.zip(self.normalise.tables()).enumerate() {
            plane.fill(table[0]);
            let rows = plane.chunks_exact_mut(width).skip(down.padding);
            for (row, pixels) in rows.zip(pixels.chunks_exact(3 * across.count)) {
                let row = &mut row[across.padding..][..across.count];
                for (value, pixel) in row.iter_mut().zip(pixels.chunks_exact(3)) {
                    *value = table[usize::from(pixel[channel])];
                }
            }
        }
        Ok(())
    }
}

/// More pixels along one side than these are not made.
const MOST_RESIZED: usize = 1 << 24;

/// torchvision's `center_crop` along one side.
struct Crop {
    /// The first pixel that is kept.
    start: usize,
    /// How many are kept.
    count: usize,
    /// How many black ones come before.
    padding: usize,
}

impl Crop {
    fn new(have: usize, want: usize) -> Self {
        let spare = have.saturating_sub(want);
        Self {
            // Python's round(): a half goes to the even neighbour.
            start: (spare as f64 / 2.0).round_ties_even() as usize,
            count: have.min(want),
            padding: want.saturating_sub(have) / 2,
        }
    }
}
