//! The share of a product that a kernel computes in one go.

use std::ops::Range;

use super::pack::{COLUMNS, Packed, Pairs};

/// Rows of a kernel's tile of y: with four AVX-512 vectors (or two of AVX2's) in a row, enough sums
/// to hide the latency of the multiply-add, and few enough for the registers.
pub(super) const ROWS: usize = 6;
/// Panels of a strip at most.
pub(super) const PANELS: usize = 4;
/// Pairs of k in a strip at most: 4 panels take 32 KiB then, and stay in the L1 cache while all
/// rows of a piece pass.
const PAIRS: usize = 128;

/// Some rows of x, some k, and up to [`PANELS`] panels of w; their product is added onto y.
pub(super) struct Strip<'a, P> {
    /// x, rounded: rows of all of w's pairs of k.
    pub x: &'a [P],
    /// w.
    pub weight: &'a Packed,
    /// Which panels.
    pub panels: Range<usize>,
    /// Which pairs of k.
    pub pairs: Range<usize>,
    /// y, rows of w's outputs.
    pub y: &'a mut [f32],
}

impl<'a, P> Strip<'a, P> {
    /// Rows.
    #[inline(always)]
    pub fn rows(&self) -> usize {
        self.y.len() / self.weight.outputs()
    }

    /// Number of panels, 1 to [`PANELS`].
    #[inline(always)]
    pub fn panels(&self) -> usize {
        self.panels.len()
    }

    /// The strip's pairs of R rows of x from `row` on; all of one length.
    #[inline(always)]
    pub fn x_rows<const R: usize>(&self, row: usize) -> [&'a [P]; R] {
        let stride = self.weight.pairs();
        let x = &self.x[row * stride + self.pairs.start..];
        let mut rows = [x; R];
        for (r, x) in rows.iter_mut().enumerate() {
            *x = &x[r * stride..][..self.pairs.len()];
        }
        rows
    }

    /// The strip's pairs of its panel number `panel`.
    #[inline(always)]
    pub fn panel(&self, panel: usize) -> &'a [Pairs] {
        &self.weight.panel(self.panels.start + panel)[self.pairs.clone()]
    }

    /// y of a row from the strip's column `column` to the end of the row; empty behind it.
    #[inline(always)]
    pub fn y_row(&mut self, row: usize, column: usize) -> &mut [f32] {
        let outputs = self.weight.outputs();
        let column = (self.panels.start * COLUMNS + column).min(outputs);
        &mut self.y[row * outputs + column..(row + 1) * outputs]
    }
}

/// y += x w^T, strip after strip. The cuts and the order of additions depend on w's shape alone.
pub(super) fn for_each<P>(
    x: &[P],
    weight: &Packed,
    y: &mut [f32],
    mut kernel: impl FnMut(&mut Strip<'_, P>),
) {
    let (pairs, panels) = (weight.pairs(), weight.outputs().div_ceil(COLUMNS));
    let step = pairs.div_ceil(pairs.div_ceil(PAIRS).max(1)).max(1);
    for panel in (0..panels).step_by(PANELS) {
        for pair in (0..pairs).step_by(step) {
            kernel(&mut Strip {
                x,
                weight,
                panels: panel..panels.min(panel + PANELS),
                pairs: pair..pairs.min(pair + step),
                y,
            });
        }
    }
}
