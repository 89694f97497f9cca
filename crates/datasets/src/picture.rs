//! Photographs in files: JPEG and PNG, decoded to what Pillow's `convert("RGB")` gives.
//!
//! - The content decides, not the name: a PNG called `.JPEG` is read as a PNG.
//! - Grey pictures give three equal channels, palettes are looked up, transparency is dropped
//!   (not blended), and 16-bit colours keep their high byte. Grey levels of 16 bits are cut at
//!   255, as Pillow does: they are levels there, not fractions.
//! - The orientation that a camera noted (EXIF) is **not** applied. torchvision's and timm's
//!   folders do not apply it either, and published accuracies are those of unturned pictures.
//! - A JPEG that breaks off is an error; one whose inside is damaged decodes to something, as
//!   in libjpeg. Its values differ from libjpeg-turbo's by a few grey levels (other rounding
//!   in the colours' upsampling and conversion); those of PNGs are exact.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use png::{BitDepth, ColorType, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::{DatasetError, Result};

/// The endings of the file names that are taken for pictures, in lower case.
pub const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// More pixels than these are refused, as by Pillow: a small file may claim any size.
const MOST_PIXELS: usize = 178_956_970;

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// A picture of `pixels` = `[height, width, 3]`: red, green, blue, row by row.
    ///
    /// # Errors
    /// [`DatasetError::PixelCount`] if the sizes are zero or do not fit the bytes.
    pub fn new(height: usize, width: usize, pixels: Vec<u8>) -> Result<Self> {
        let expected = height.checked_mul(width).and_then(|n| n.checked_mul(3));
        if pixels.is_empty() || expected != Some(pixels.len()) {
            return Err(DatasetError::PixelCount {
                pixels: pixels.len(),
                images: 1,
                shape: [3, height, width],
            });
        }
        Ok(Self {
            height,
            width,
            pixels,
        })
    }

    /// Reads a JPEG or PNG file.
    ///
    /// # Errors
    /// [`DatasetError::Open`], [`DatasetError::UnsupportedPicture`] or
    /// [`DatasetError::DamagedPicture`], each naming the file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|source| DatasetError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::decode(&bytes, path)
    }

    /// Decodes the content of a JPEG or PNG file; `path` is for the errors.
    ///
    /// # Errors
    /// As [`Picture::read`].
    pub fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        decode(bytes).map_err(|fault| fault.of(path))
    }

    /// The height in pixels, at least 1.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The width in pixels, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Red, green and blue of every pixel, `[height, width, 3]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    pub(crate) fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }
}

/// Why a file is no picture that can be read.
pub(crate) enum Fault {
    /// It is something else.
    Unsupported(&'static str),
    /// It does not decode.
    Damaged(String),
}

impl Fault {
    /// The error, for the file (or the image) of this name.
    pub(crate) fn of(self, name: &Path) -> DatasetError {
        let path = name.to_owned();
        match self {
            Self::Unsupported(content) => DatasetError::UnsupportedPicture {
                path,
                found: format!("is {content}"),
            },
            Self::Damaged(reason) => DatasetError::DamagedPicture { path, reason },
        }
    }
}

/// Decodes the content of a JPEG or PNG file.
pub(crate) fn decode(bytes: &[u8]) -> std::result::Result<Picture, Fault> {
    let decoded = match bytes {
        [0xff, 0xd8, 0xff, ..] => decode_jpeg(bytes),
        [0x89, b'P', b'N', b'G', ..] => decode_png(bytes),
        _ => return Err(Fault::Unsupported(content(bytes))),
    };
    decoded.map_err(Fault::Damaged)
}

/// What a file that is neither JPEG nor PNG is, by its first bytes.
fn content(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "an empty file",
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [b'B', b'M', ..] => "a BMP",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => "a WebP",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "a TIFF",
        [b'P', b'1'..=b'6', ..] => "a PNM",
        _ => "no picture of a known kind",
    }
}

fn check_size(width: usize, height: usize) -> std::result::Result<(), String> {
    match width.checked_mul(height) {
        Some(1..=MOST_PIXELS) => Ok(()),
        _ => Err(format!(
            "it claims {width}x{height} pixels; at least 1 and at most {MOST_PIXELS} are read"
        )),
    }
}

fn decode_jpeg(bytes: &[u8]) -> std::result::Result<Picture, String> {
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let in_words = |error: zune_jpeg::errors::DecodeErrors| error.to_string();
    decoder.decode_headers().map_err(in_words)?;
    let (width, height) = decoder.dimensions().ok_or("it declares no size")?;
    check_size(width, height)?;
    if !jpeg_ends(bytes) {
        return Err("it breaks off before its end".to_owned());
    }
    let pixels = decoder.decode().map_err(in_words)?;
    Picture::new(height, width, pixels).map_err(|error| error.to_string())
}

/// Whether the marker of the end follows the coded data. The decoder fills up what is missing;
/// Pillow refuses such files, and so do we.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END: u8 = 0xd9;
    // Over the segments before the first scan: one may hold a thumbnail with an end of its own.
    let mut at = 2;
    while let Some(&[first, second]) = bytes.get(at..at + 2) {
        match (first, second) {
            (0xff, 0xff) => at += 1,
            (0xff, START_OF_SCAN) => break,
            (0xff, 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, 0x02..) => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
            // Stray bytes between segments.
            _ => at += 1,
        }
    }
    // In coded data, 0xff is followed by 0 or by a marker.
    bytes
        .get(at..)
        .is_some_and(|rest| rest.windows(2).any(|pair| pair == [0xff, END]))
}

fn decode_png(bytes: &[u8]) -> std::result::Result<Picture, String> {
    let limits = png::Limits {
        bytes: 8 * MOST_PIXELS,
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // To 8 bits per channel and palettes to colours; 16 bits are dealt with below.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let info = reader.info();
    let (width, height) = (info.width as usize, info.height as usize);
    let levels = (info.color_type, info.bit_depth) == (ColorType::Grayscale, BitDepth::Sixteen);
    check_size(width, height)?;
    let size = reader.output_buffer_size().ok_or("it is too large")?;
    let mut data = vec![0; size];
    let frame = reader
        .next_frame(&mut data)
        .map_err(|error| error.to_string())?;
    data.truncate(frame.buffer_size());

    let wide = frame.bit_depth == BitDepth::Sixteen;
    let step = frame.color_type.samples() * if wide { 2 } else { 1 };
    let (red, green, blue) = match (frame.color_type, wide) {
        (ColorType::Grayscale | ColorType::GrayscaleAlpha, _) => (0, 0, 0),
        (_, false) => (0, 1, 2),
        (_, true) => (0, 2, 4),
    };
    let pixels = match (frame.color_type, wide) {
        (ColorType::Rgb, false) => data,
        // Pillow opens these as numbers up to 65535, and cuts them at 255 on the way to colours.
        _ if levels => data
            .chunks_exact(step)
            .flat_map(|p| [if p[0] > 0 { 255 } else { p[1] }; 3])
            .collect(),
        _ => data
            .chunks_exact(step)
            .flat_map(|p| [p[red], p[green], p[blue]])
            .collect(),
    };
    Picture::new(height, width, pixels).map_err(|error| error.to_string())
}
