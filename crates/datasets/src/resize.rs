//! Pillow's `Image.resize` with the bicubic filter, bit for bit.
//!
//! The filter is Keys' cubic with a = -1/2, stretched by the factor of reduction (so that it
//! averages over what falls into one new pixel: "antialias"). Rows first, then columns, each
//! in fixed point with 22 fractional bits and rounded to 8 bits, as in Pillow's Resample.c.

use crate::picture::Picture;

/// Fractional bits of the weights: 32, less 8 for the pixel, less 2 for sums beyond 0..=255.
const PRECISION: u32 = 32 - 8 - 2;

/// A rectangle of pixels: the first row and column, and how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) top: usize,
    pub(crate) left: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// What `window` shows of the picture resized to `size` = `[height, width]`: its pixels,
/// `[window.height, window.width, 3]`. Nothing outside of the window is computed.
pub(crate) fn bicubic(picture: &Picture, size: [usize; 2], window: Window) -> Vec<u8> {
    let down = Taps::new(picture.height(), size[0], window.top, window.height);
    let across = Taps::new(picture.width(), size[1], window.left, window.width);

    // The rows of the picture that the columns' taps will see.
    let (first, end) = down.reach();
    let mut rows = vec![0; (end - first) * window.width * 3];
    let source = picture.pixels().chunks_exact(picture.width() * 3);
    for (row, source) in rows
        .chunks_exact_mut(window.width * 3)
        .zip(source.skip(first))
    {
        across_row(source, &across, row);
    }

    let mut pixels = vec![0; window.height * window.width * 3];
    let mut sums = vec![0; window.width * 3];
    for (out, tap) in pixels.chunks_exact_mut(window.width * 3).zip(&down.taps) {
        sums.fill(ONE_HALF);
        let rows = rows.chunks_exact(window.width * 3).skip(tap.first - first);
        for (row, &weight) in rows.zip(&tap.weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        for (value, &sum) in out.iter_mut().zip(&sums) {
            *value = to_level(sum);
        }
    }
    pixels
}

fn across_row(source: &[u8], taps: &Taps, out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut::<3>();
    let (source, _) = source.as_chunks::<3>();
    for (pixel, tap) in out.iter_mut().zip(&taps.taps) {
        let mut sums = [ONE_HALF; 3];
        for (values, &weight) in source[tap.first..].iter().zip(&tap.weights) {
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += i32::from(value) * weight;
            }
        }
        *pixel = sums.map(to_level);
    }
}

const ONE_HALF: i32 = 1 << (PRECISION - 1);

fn to_level(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// The old pixels that make a new one: from `first` on, one weight each.
struct Tap {
    first: usize,
    weights: Vec<i32>,
}

/// Those of a range of new pixels along one axis.
struct Taps {
    taps: Vec<Tap>,
}

impl Taps {
    /// For the `count` new pixels from `start` on, of an axis that goes from `old` to `new` pixels.
    fn new(old: usize, new: usize, start: usize, count: usize) -> Self {
        let scale = old as f64 / new as f64;
        let stretch = scale.max(1.0);
        let support = 2.0 * stretch;
        let tap = |pixel: usize| {
            let center = (pixel as f64 + 0.5) * scale;
            // Both are cut towards zero, as C does it.
            let first = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(old);
            let weight = |x: usize| cubic((x as f64 - center + 0.5) * (1.0 / stretch));
            let weights: Vec<f64> = (first..end).map(weight).collect();
            let total: f64 = weights.iter().sum();
            let weights = weights.iter().map(|weight| {
                let fixed = weight / total * f64::from(1 << PRECISION);
                (fixed + 0.5_f64.copysign(fixed)) as i32
            });
            Tap {
                first,
                weights: weights.collect(),
            }
        };
        Self {
            taps: (start..start + count).map(tap).collect(),
        }
    }

    /// The first old pixel that is seen, and the one after the last.
    fn reach(&self) -> (usize, usize) {
        let first = self.taps.iter().map(|tap| tap.first).min();
        let end = self.taps.iter().map(|tap| tap.first + tap.weights.len());
        (first.unwrap_or(0), end.max().unwrap_or(0))
    }
}

/// Keys' cubic convolution kernel with a = -1/2.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}
