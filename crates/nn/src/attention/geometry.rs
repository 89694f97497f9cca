//! How the tokens of a feature map lie in shifted windows.

use crate::error::{Error, Result};
use crate::kernels::attention::Partition;

/// The windows of one block of a Swin transformer: a map of `map` tokens is rolled by
/// `shift` towards its beginning, padded at the bottom and on the right to whole windows,
/// and cut into windows of `size` tokens. All are (height, width).
///
/// Choosing them is the model's work (timm's `_calc_window_shift`: no window is larger than
/// the map, and there is no shift along a side that fits in one window).
///
/// [`Windows::new`] checks the sizes. Whoever changes one afterwards calls
/// [`Windows::check`]: the other methods may panic on windows that it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Windows {
    /// Tokens of the map, H and W.
    pub map: [usize; 2],
    /// Tokens of a window, h and w.
    pub size: [usize; 2],
    /// Tokens by which the windows are shifted, less than `size`.
    pub shift: [usize; 2],
}

impl Windows {
    const LAYER: &'static str = "WindowAttention";

    /// Windows of `size` tokens over a map of `map` tokens, shifted by `shift`.
    ///
    /// # Errors
    /// As [`Windows::check`].
    pub fn new(map: [usize; 2], size: [usize; 2], shift: [usize; 2]) -> Result<Self> {
        Self { map, size, shift }.check()
    }

    /// The windows themselves, if they can be made.
    ///
    /// # Errors
    /// If the map or a window has no tokens, a shift reaches its window's size, or the
    /// padded map has more than 2^32 - 1 tokens.
    pub fn check(self) -> Result<Self> {
        let Self { map, size, shift } = self;
        let error = |reason: String| {
            let layer = Self::LAYER;
            Err(Error::Config { layer, reason })
        };
        if map.contains(&0) || size.contains(&0) {
            return error(format!(
                "windows of {size:?} tokens on a map of {map:?}: no side can be 0"
            ));
        }
        if shift[0] >= size[0] || shift[1] >= size[1] {
            return error(format!(
                "windows of {size:?} tokens cannot be shifted by {shift:?}: the shift must be \
                 smaller than the window"
            ));
        }
        let side = |i: usize| map[i].checked_next_multiple_of(size[i]);
        let padded = side(0).and_then(|height| height.checked_mul(side(1)?));
        let area = (size[0].checked_mul(2)).and_then(|h| h.checked_mul(size[1].checked_mul(2)?));
        let limit = u32::MAX as usize;
        if padded.is_none_or(|n| n > limit) || area.is_none_or(|n| n > limit) {
            return error(format!(
                "windows of {size:?} tokens on a map of {map:?}: more than {limit} tokens"
            ));
        }
        Ok(self)
    }

    /// The map padded to whole windows, (height, width).
    pub fn padded(&self) -> [usize; 2] {
        [0, 1].map(|i| self.map[i].next_multiple_of(self.size[i]))
    }

    /// How many windows there are, down and across.
    pub fn grid(&self) -> [usize; 2] {
        [0, 1].map(|i| self.map[i].div_ceil(self.size[i]))
    }

    /// How many windows there are.
    pub fn count(&self) -> usize {
        self.grid().iter().product()
    }

    /// Tokens N = h w of a window.
    pub fn area(&self) -> usize {
        self.size.iter().product()
    }

    /// Tokens H W of the map.
    pub fn tokens(&self) -> usize {
        self.map.iter().product()
    }

    /// Relative positions of two tokens of a window, (2h - 1) (2w - 1): the rows of a
    /// table of position biases.
    pub fn positions(&self) -> usize {
        self.size.iter().map(|side| 2 * side - 1).product()
    }

    /// Row of the table for query i and key j of a window, [N, N] flattened: with
    /// (dy, dx) = place of i - place of j, row (dy + h - 1) (2w - 1) + dx + w - 1 (timm's
    /// `get_relative_position_index`).
    pub fn relative_positions(&self) -> Vec<u32> {
        let [h, w] = self.size;
        let area = self.area();
        let row = |i: usize, j: usize| {
            let (down, across) = (i / w + h - 1 - j / w, i % w + w - 1 - j % w);
            (down * (2 * w - 1) + across) as u32
        };
        (0..area * area)
            .map(|pair| row(pair / area, pair % area))
            .collect()
    }

    /// The region of the map, 0..9, that each token of the padded, rolled map belongs to,
    /// window after window: [windows, N] flattened. After rolling, the last windows hold
    /// tokens from opposite sides of the map, which must not see each other: their regions
    /// differ (timm's `get_attn_mask`, which counts padding to the last region).
    pub fn regions(&self) -> Vec<u32> {
        let (padded, size, shift) = (self.padded(), self.size, self.shift);
        self.places()
            .map(|place| {
                let region = |i: usize| match shift[i] {
                    0 => 0,
                    _ if place[i] < padded[i] - size[i] => 0,
                    shift if place[i] < padded[i] - shift => 1,
                    _ => 2,
                };
                (3 * region(0) + region(1)) as u32
            })
            .collect()
    }

    /// The windows as the kernels see them. Tokens are numbered as they lie in the map, row
    /// by row, and after them the padding ([`Windows::padding`]).
    ///
    /// # Errors
    /// As [`Windows::check`].
    pub fn partition(&self) -> Result<Partition> {
        self.check()?;
        let ([height, width], [down, across]) = (self.map, self.shift);
        let mut padding = (self.tokens()..).map(|token| token as u32);
        let tokens = self.places().filter_map(|[row, column]| {
            if row < height && column < width {
                let (row, column) = ((row + down) % height, (column + across) % width);
                Some((row * width + column) as u32)
            } else {
                padding.next()
            }
        });
        let (area, rows) = (self.area(), self.positions());
        let tokens = tokens.collect();
        let (regions, positions) = (self.regions(), self.relative_positions());
        Ok(Partition::new(area, tokens, regions, positions, rows))
    }

    /// The tokens by which the padded map is larger than the map.
    pub fn padding(&self) -> usize {
        self.count() * self.area() - self.tokens()
    }

    /// Places (row, column) of the padded, rolled map, window after window.
    pub(crate) fn places(&self) -> impl Iterator<Item = [usize; 2]> {
        let ([h, w], [_, across], area) = (self.size, self.grid(), self.area());
        (0..self.count() * area).map(move |slot| {
            let (window, token) = (slot / area, slot % area);
            let (row, column) = (window / across * h, window % across * w);
            [row + token / w, column + token % w]
        })
    }
}
