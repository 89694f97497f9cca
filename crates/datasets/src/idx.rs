//! The IDX format of MNIST and its successors: unsigned bytes after a big-endian header,
//! plain or gzipped (told apart by their first byte, not by their name).
//!
//! An image file is `00 00 08 03`, the count, the height and the width (u32 each), and the
//! pixels row by row; a label file is `00 00 08 01`, the count, and one byte per label. The
//! readers here check all that the format allows to check: the magic number, that the data
//! are exactly as long as the header says, gzip's checksum, and the range of the labels.
//! They never allocate more than the file holds, whatever its header claims.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{DatasetError, Result};

pub use folder::{evaluation_split, read_split, splits};

pub(crate) mod folder;

/// The content of an IDX image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// The number of images.
    pub count: usize,
    /// The height of each, in pixels.
    pub height: usize,
    /// The width of each, in pixels.
    pub width: usize,
    /// All pixels, `[count, height, width]`.
    pub pixels: Vec<u8>,
}

/// One of the two kinds of file.
struct Kind {
    what: &'static str,
    magic: u32,
    sizes: usize,
}

const IMAGES: Kind = Kind {
    what: "images",
    magic: 0x803,
    sizes: 3,
};
const LABELS: Kind = Kind {
    what: "labels",
    magic: 0x801,
    sizes: 1,
};

/// Reads an image file, plain or gzipped.
///
/// # Errors
/// A [`DatasetError`] that names the path, what is wrong with it, and what to do.
pub fn read_images(path: &Path) -> Result<Images> {
    decode_images(open(path)?, path)
}

/// Reads a label file, plain or gzipped; every label must be below `classes`.
///
/// # Errors
/// As [`read_images`]; [`DatasetError::FileLabel`] for a label out of range.
pub fn read_labels(path: &Path, classes: usize) -> Result<Vec<u8>> {
    decode_labels(open(path)?, classes, path)
}

/// Reads the content of an image file from `reader`; `path` is for the errors.
///
/// # Errors
/// As [`read_images`].
pub fn decode_images(reader: impl BufRead, path: &Path) -> Result<Images> {
    let (sizes, pixels) = decode(reader, &IMAGES, path)?;
    Ok(Images {
        count: sizes[0],
        height: sizes[1],
        width: sizes[2],
        pixels,
    })
}

/// Reads the content of a label file from `reader`; `path` is for the errors.
///
/// # Errors
/// As [`read_labels`].
pub fn decode_labels(reader: impl BufRead, classes: usize, path: &Path) -> Result<Vec<u8>> {
    let (_, labels) = decode(reader, &LABELS, path)?;
    match labels.iter().position(|&l| usize::from(l) >= classes) {
        None => Ok(labels),
        Some(position) => Err(DatasetError::FileLabel {
            path: path.to_owned(),
            position,
            label: labels[position].into(),
            classes,
        }),
    }
}

/// The bytes of an image file (not gzipped) with images of this height and width, in pixels.
///
/// # Errors
/// [`DatasetError::PixelCount`] if the pixels are no whole number of such images, or
/// [`DatasetError::TooManyImages`] if the header cannot hold their number.
pub fn encode_images(pixels: &[u8], height: u32, width: u32) -> Result<Vec<u8>> {
    let size = height as usize * width as usize;
    if size == 0 || !pixels.len().is_multiple_of(size) {
        return Err(DatasetError::PixelCount {
            pixels: pixels.len(),
            images: pixels.len().checked_div(size).unwrap_or(0),
            shape: [1, height as usize, width as usize],
        });
    }
    let count = header_count(pixels.len() / size)?;
    Ok(encode(&IMAGES, &[count, height, width], pixels))
}

/// The bytes of a label file (not gzipped).
///
/// # Errors
/// [`DatasetError::TooManyImages`] if the header cannot hold the number of labels.
pub fn encode_labels(labels: &[u8]) -> Result<Vec<u8>> {
    Ok(encode(&LABELS, &[header_count(labels.len())?], labels))
}

fn header_count(images: usize) -> Result<u32> {
    u32::try_from(images).map_err(|_| DatasetError::TooManyImages { images })
}

fn encode(kind: &Kind, sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 * (1 + sizes.len()) + data.len());
    bytes.extend(kind.magic.to_be_bytes());
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).map_err(|source| DatasetError::Open {
        path: path.to_owned(),
        source,
    })?;
    Ok(BufReader::new(file))
}

/// The sizes in the header, and the data behind it.
fn decode(reader: impl BufRead, kind: &Kind, path: &Path) -> Result<(Vec<usize>, Vec<u8>)> {
    let mut input = Input::new(reader, path)?;
    let found = u32::from_be_bytes(input.array(4)?);
    if found != kind.magic {
        return Err(DatasetError::Magic {
            path: path.to_owned(),
            what: kind.what,
            found,
            expected: kind.magic,
            hint: hint(found),
        });
    }

    let header = 4 * (1 + kind.sizes as u64);
    let mut sizes = Vec::with_capacity(kind.sizes);
    for _ in 0..kind.sizes {
        sizes.push(u32::from_be_bytes(input.array(header)?));
    }
    let length = sizes
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size as usize))
        .filter(|&length| length > 0 && length < isize::MAX as usize)
        .ok_or_else(|| DatasetError::Sizes {
            path: path.to_owned(),
            what: kind.what,
            sizes: sizes.clone(),
        })?;

    let end = header + length as u64;
    let data = input.take(length as u64, end)?;
    input.finish(end)?;
    Ok((sizes.iter().map(|&size| size as usize).collect(), data))
}

/// What a file with this magic number may be instead.
fn hint(magic: u32) -> &'static str {
    match magic {
        0x801 => "this is a label file: were images and labels swapped?",
        0x803 => "this is an image file: were images and labels swapped?",
        m if m >> 16 == 0 && (m >> 8) & 0xff != 8 => {
            "if this is an IDX file, its values are not unsigned bytes (type 0x08)"
        }
        m if m >> 16 == 0 => "the file has another number of dimensions",
        _ => "this is no IDX file: check the path",
    }
}

/// A file as it is unpacked, with its errors put into words.
struct Input<'a> {
    reader: Box<dyn Read + 'a>,
    gzip: bool,
    path: &'a Path,
    /// Bytes read so far, unpacked.
    position: u64,
}

impl<'a> Input<'a> {
    fn new(mut reader: impl BufRead + 'a, path: &'a Path) -> Result<Self> {
        let first = reader.fill_buf().map_err(|source| DatasetError::Read {
            path: path.to_owned(),
            source,
        })?;
        // gzip starts with 1f 8b, and IDX with 00 00.
        let gzip = first.first() == Some(&0x1f);
        let reader: Box<dyn Read> = if gzip {
            Box::new(MultiGzDecoder::new(reader))
        } else {
            Box::new(reader)
        };
        Ok(Self {
            reader,
            gzip,
            path,
            position: 0,
        })
    }

    /// The next `count` bytes, of a part of the file that ends at byte `end`.
    fn take(&mut self, count: u64, end: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let outcome = (&mut self.reader).take(count).read_to_end(&mut bytes);
        let path = self.path.to_owned();
        match outcome {
            Err(source) if self.gzip => return Err(DatasetError::Gzip { path, source }),
            Err(source) => return Err(DatasetError::Read { path, source }),
            Ok(found) => self.position += found as u64,
        }
        if bytes.len() as u64 == count {
            Ok(bytes)
        } else {
            Err(DatasetError::Truncated {
                path,
                expected: end,
                found: self.position,
            })
        }
    }

    fn array<const N: usize>(&mut self, end: u64) -> Result<[u8; N]> {
        let bytes = self.take(N as u64, end)?;
        let mut array = [0; N];
        array.copy_from_slice(&bytes); // `take` gives exactly N bytes
        Ok(array)
    }

    /// Checks that nothing follows; this also makes gzip check its checksum.
    fn finish(mut self, end: u64) -> Result<()> {
        match self.take(1, end) {
            Err(DatasetError::Truncated { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(DatasetError::TrailingBytes {
                path: self.path.to_owned(),
                expected: end,
            }),
        }
    }
}
