//! One head's rows in tensors that hold all heads side by side.
//!
//! The rows of one attention are those of an image, in their order, or those of one of its
//! windows, through a [`Partition`]: nothing is copied to cut an image into windows.

use super::partition::Partition;
use super::product::Left;

/// q, k or v of all images and heads: a tensor [B, N, C], or a third of a packed one
/// [B, N, 3C].
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    data: &'a [f32],
    /// Of an image.
    tokens: usize,
    width: usize,
    first: usize,
    channels: usize,
    windows: Option<&'a Partition>,
}

impl<'a> Operand<'a> {
    /// A tensor [B, tokens, channels].
    pub fn new(data: &'a [f32], tokens: usize, channels: usize) -> Self {
        Self {
            data,
            tokens,
            width: channels,
            first: 0,
            channels,
            windows: None,
        }
    }

    /// q, k and v of a tensor [B, tokens, 3 channels] of rows [q | k | v], timm's order.
    pub fn packed(data: &'a [f32], tokens: usize, channels: usize) -> [Self; 3] {
        [0, 1, 2].map(|part| Self {
            data,
            tokens,
            width: 3 * channels,
            first: part * channels,
            channels,
            windows: None,
        })
    }

    /// The same tensor with every window of an image as an image of its own.
    pub(super) fn in_windows(self, partition: &'a Partition) -> Self {
        let windows = Some(partition);
        Self { windows, ..self }
    }

    /// Panics unless this holds `batch` images, or windows, of `tokens` rows of `channels`
    /// channels.
    pub(super) fn check(&self, batch: usize, tokens: usize, channels: usize) {
        assert_eq!(
            (self.tokens, self.channels),
            (tokens * windows_of(self.windows), channels),
            "tokens and channels"
        );
        assert_eq!(
            self.data.len(),
            batch * tokens * self.width,
            "an operand of {batch} images"
        );
    }

    /// Head `head` of `dim` channels of image, or window, `image`.
    pub(super) fn head(&self, image: usize, head: usize, dim: usize) -> HeadRows<'a> {
        let (image, map) = in_image(self.windows, image);
        let start = image * self.tokens * self.width + self.first + head * dim;
        HeadRows {
            data: &self.data[start..],
            stride: self.width,
            dim,
            map,
        }
    }
}

/// The windows of an image.
pub(super) fn windows_of(partition: Option<&Partition>) -> usize {
    partition.map_or(1, Partition::windows)
}

/// The image that number `image` lies in, and the tokens of it that its rows are, unless
/// all of them in their order.
pub(super) fn in_image(partition: Option<&Partition>, image: usize) -> (usize, Option<&[u32]>) {
    match partition {
        None => (image, None),
        Some(partition) => {
            let (image, window) = (image / partition.windows(), image % partition.windows());
            (image, Some(partition.tokens(window)))
        }
    }
}

/// The rows of one head of one image, or window.
#[derive(Clone, Copy)]
pub(super) struct HeadRows<'a> {
    data: &'a [f32],
    stride: usize,
    dim: usize,
    /// Which row of the image each row is.
    map: Option<&'a [u32]>,
}

impl<'a> HeadRows<'a> {
    #[inline]
    pub(super) fn row(&self, i: usize) -> &'a [f32] {
        let i = self.map.map_or(i, |map| map[i] as usize);
        &self.data[i * self.stride..][..self.dim]
    }

    /// Rows from number `from` on as left operand of a product. Panics for rows of a
    /// window, which have no stride.
    pub(super) fn left(&self, from: usize) -> Left<'a> {
        assert!(self.map.is_none(), "rows of a window are packed first");
        Left::strided(&self.data[from * self.stride..], self.stride)
    }

    /// Rows `from .. from + count` times `scale`, `stride` apart in `out`. What lies between
    /// them stays: a product's columns beyond the last one asked for come of it.
    pub(super) fn pack(
        &self,
        from: usize,
        count: usize,
        scale: f32,
        out: &mut [f32],
        stride: usize,
    ) {
        for (i, out) in out.chunks_exact_mut(stride).take(count).enumerate() {
            for (out, &x) in out.iter_mut().zip(self.row(from + i)) {
                *out = x * scale;
            }
        }
    }

    /// The first `count` rows times `scale` as columns of `out` [dim, stride], padded with
    /// zeros. Four rows at a time.
    pub(super) fn pack_transposed(&self, count: usize, scale: f32, out: &mut [f32], stride: usize) {
        let whole = count / 4 * 4;
        for i in (0..whole).step_by(4) {
            let rows: [&[f32]; 4] = std::array::from_fn(|r| self.row(i + r));
            for (c, out) in out.chunks_exact_mut(stride).take(self.dim).enumerate() {
                let column: [f32; 4] = std::array::from_fn(|r| rows[r][c] * scale);
                out[i..i + 4].copy_from_slice(&column);
            }
        }
        for i in whole..count {
            for (out, &x) in out.chunks_exact_mut(stride).zip(self.row(i)) {
                out[i] = x * scale;
            }
        }
        if count < stride {
            for row in out.chunks_exact_mut(stride).take(self.dim) {
                row[count..].fill(0.0);
            }
        }
    }
}
