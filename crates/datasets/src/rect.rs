//! Rectangles of pixels.

/// A rectangle of pixels: its first row and column, and how many there are of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// The number of rows.
    pub height: usize,
    /// The number of columns.
    pub width: usize,
}

impl Rect {
    /// All of an image of `size` = `[height, width]`.
    pub fn all(size: [usize; 2]) -> Self {
        Self {
            top: 0,
            left: 0,
            height: size[0],
            width: size[1],
        }
    }

    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// The number of pixels.
    pub fn area(&self) -> usize {
        self.height * self.width
    }

    /// The same part of the same image in another size: every edge goes to the nearest one
    /// (a half upwards).
    pub(crate) fn scaled(&self, from: [usize; 2], to: [usize; 2]) -> Self {
        let edge = |at: usize, side: usize| (2 * at * to[side] + from[side]) / (2 * from[side]);
        let (top, left) = (edge(self.top, 0), edge(self.left, 1));
        Self {
            top,
            left,
            height: edge(self.top + self.height, 0) - top,
            width: edge(self.left + self.width, 1) - left,
        }
    }
}
