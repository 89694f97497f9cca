//! A decoded image on its way to a view.

use std::borrow::Cow;

use crate::geometry::Placement;
use crate::picture::{self, Fault};
use crate::rect::Rect;
use crate::resize::Resize;
use crate::{Raw, Sample};

/// An image whose channels stand together: `[height, width, channels]`, of 1 or 3 channels.
pub(crate) struct Image<'a> {
    pub(crate) size: [usize; 2],
    channels: usize,
    pixels: Cow<'a, [u8]>,
}

impl<'a> Image<'a> {
    /// The image of a sample, for views of `channels` (1 or 3): grey where that is asked for. A grey image stays
    /// grey where colours are: [`Image::place`] repeats its levels.
    pub(crate) fn decode(sample: &'a Sample<'_>, channels: usize) -> Result<Self, Fault> {
        match sample {
            Sample::Raw(raw) => Ok(Self::of_raw(raw, channels)),
            Sample::Encoded(bytes) => {
                let picture = picture::decode(bytes)?;
                let size = [picture.height(), picture.width()];
                let colours = picture.into_pixels();
                let pixels = if channels == 1 {
                    let (colours, _) = colours.as_chunks::<3>();
                    colours.iter().map(|&colour| luma(colour)).collect()
                } else {
                    colours
                };
                Ok(Self {
                    size,
                    channels,
                    pixels: Cow::Owned(pixels),
                })
            }
        }
    }

    fn of_raw(raw: &'a Raw<'_>, channels: usize) -> Self {
        let [found, height, width] = raw.shape();
        let (channels, pixels) = match (found, channels) {
            (1, _) => (1, Cow::Borrowed(raw.pixels())),
            (_, 1) => (1, Cow::Owned(luma_planes(raw.pixels()))),
            _ => {
                let colours = colours(raw.pixels()).flatten();
                (3, Cow::Owned(colours.collect()))
            }
        };
        Self {
            size: [height, width],
            channels,
            pixels,
        }
    }

    /// Writes the view that `placement` says to `view`, `[channels, height, width]` with
    /// `size` = `[height, width]`, which is black before.
    pub(crate) fn place(&self, placement: &Placement, size: [usize; 2], view: &mut [u8]) {
        let Placement {
            region,
            resized,
            window,
            ..
        } = *placement;
        let pixels = if region.size() == resized {
            let seen = Rect {
                top: region.top + window.top,
                left: region.left + window.left,
                ..window
            };
            self.rows(seen).flatten().copied().collect()
        } else {
            let resize = Resize::new(region.size(), resized, window);
            match self.channels {
                1 => resize.apply::<1>(self.rows(region)),
                _ => resize.apply::<3>(self.rows(region)),
            }
        };
        let [height, width] = size;
        let [above, before] = placement.padding;
        for (channel, plane) in view.chunks_exact_mut(height * width).enumerate() {
            let channel = channel % self.channels;
            let rows = plane.chunks_exact_mut(width).skip(above);
            for (row, pixels) in rows.zip(pixels.chunks_exact(window.width * self.channels)) {
                let pixels = pixels.chunks_exact(self.channels);
                for (level, pixel) in row[before..].iter_mut().zip(pixels) {
                    *level = pixel[channel];
                }
            }
        }
    }

    /// The rows of a part of the image.
    fn rows(&self, part: Rect) -> impl Iterator<Item = &[u8]> {
        let channels = self.channels;
        let rows = self.pixels.chunks_exact(self.size[1] * channels);
        let rows = rows.skip(part.top).take(part.height);
        rows.map(move |row| &row[part.left * channels..][..part.width * channels])
    }
}

/// The grey level of a colour, as Pillow's `convert("L")` rounds ITU-R 601's
/// 0.299 R + 0.587 G + 0.114 B.
fn luma(colour: [u8; 3]) -> u8 {
    let [r, g, b] = colour.map(u32::from);
    ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
}

/// The grey levels `[H, W]` of three planes of red, green and blue, `[3, H, W]`.
pub(crate) fn luma_planes(planes: &[u8]) -> Vec<u8> {
    colours(planes).map(luma).collect()
}

fn colours(planes: &[u8]) -> impl Iterator<Item = [u8; 3]> {
    let size = planes.len() / 3;
    let (red, rest) = planes.split_at(size);
    let (green, blue) = rest.split_at(size);
    let colours = red.iter().zip(green).zip(blue);
    colours.map(|((&r, &g), &b)| [r, g, b])
}
