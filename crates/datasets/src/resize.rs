//! Pillow's `Image.resize` with the bicubic filter, bit for bit.
//!
//! The filter is Keys' cubic with a = -1/2, stretched by the factor of reduction (so that it
//! averages over what falls into one new pixel: "antialias"). One axis after the other, each
//! in fixed point with 22 fractional bits and rounded to 8 bits, as in Pillow's Resample.c.
//! Rows come first; but as in Pillow 13 columns do where the height loses more than twice as
//! many pixels as the width (older Pillows differ there by a level here and there).

use crate::rect::Rect;

/// Fractional bits of the weights: 32, less 8 for the pixel, less 2 for sums beyond 0..=255.
const PRECISION: u32 = 32 - 8 - 2;

/// The way from images of one size to another size, or to a window of the result. Made once,
/// used for any number of images.
pub(crate) struct Resize {
    down: Taps,
    across: Taps,
    down_first: bool,
}

impl Resize {
    /// From `from` = `[height, width]` to what `window` shows of the image resized to `to`.
    /// Nothing outside of the window is computed.
    pub(crate) fn new(from: [usize; 2], to: [usize; 2], window: Rect) -> Self {
        let lost = |axis: usize| from[axis] as i128 - to[axis] as i128;
        Self {
            down: Taps::new(from[0], to[0], window.top, window.height),
            across: Taps::new(from[1], to[1], window.left, window.width),
            down_first: lost(0) > 0 && lost(0) > 2 * lost(1),
        }
    }

    /// The window's pixels, `[window.height, window.width, C]`, of the image with these rows,
    /// each `[width, C]`.
    pub(crate) fn apply<'a, const C: usize>(
        &self,
        source: impl Iterator<Item = &'a [u8]>,
    ) -> Vec<u8> {
        // What the taps of the second axis will see of the first one's result.
        let (top, bottom) = self.down.reach();
        let (left, right) = self.across.reach();
        let source = source.skip(top).take(bottom - top);
        let source: Vec<&[u8]> = source.map(|row| &row[left * C..right * C]).collect();
        if self.down_first {
            let width = (right - left) * C;
            let columns = self.down.blend_rows(&source, top, width);
            let columns: Vec<&[u8]> = columns.chunks_exact(width).collect();
            self.across.blend_columns::<C>(&columns, left)
        } else {
            let width = self.across.taps.len() * C;
            let rows = self.across.blend_columns::<C>(&source, left);
            let rows: Vec<&[u8]> = rows.chunks_exact(width).collect();
            self.down.blend_rows(&rows, top, width)
        }
    }
}

impl Taps {
    /// The new rows, of `width` values each, out of old ones, the first of which is number `start`.
    fn blend_rows(&self, source: &[&[u8]], start: usize, width: usize) -> Vec<u8> {
        let mut pixels = vec![0; self.taps.len() * width];
        let mut sums = vec![0; width];
        for (out, tap) in pixels.chunks_exact_mut(width).zip(&self.taps) {
            sums.fill(ONE_HALF);
            for (row, &weight) in source[tap.first - start..].iter().zip(&tap.weights) {
                for (sum, &value) in sums.iter_mut().zip(*row) {
                    *sum += i32::from(value) * weight;
                }
            }
            for (value, &sum) in out.iter_mut().zip(&sums) {
                *value = to_level(sum);
            }
        }
        pixels
    }

    /// The same rows with the new columns out of old ones, the first of which is number
    /// `start`.
    fn blend_columns<const C: usize>(&self, source: &[&[u8]], start: usize) -> Vec<u8> {
        let width = self.taps.len() * C;
        let mut pixels = vec![0; source.len() * width];
        for (out, row) in pixels.chunks_exact_mut(width).zip(source) {
            let (out, _) = out.as_chunks_mut::<C>();
            let (row, _) = row.as_chunks::<C>();
            for (pixel, tap) in out.iter_mut().zip(&self.taps) {
                let mut sums = [ONE_HALF; C];
                for (values, &weight) in row[tap.first - start..].iter().zip(&tap.weights) {
                    for (sum, &value) in sums.iter_mut().zip(values) {
                        *sum += i32::from(value) * weight;
                    }
                }
                *pixel = sums.map(to_level);
            }
        }
        pixels
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
