//! The tensors that attention writes, head by head, from many threads.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::partition::Partition;
use super::rows::{in_image, windows_of};

/// A tensor laid out as an [`Operand`](super::Operand) that tasks fill head by head.
#[derive(Debug)]
pub struct Target<'a> {
    data: *mut MaybeUninit<f32>,
    len: usize,
    tokens: usize,
    width: usize,
    first: usize,
    channels: usize,
    windows: Option<&'a Partition>,
    borrow: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: the only way to the numbers is `head`, whose callers vouch that no two threads
// have the same head at a time.
unsafe impl Sync for Target<'_> {}

impl<'a> Target<'a> {
    /// A tensor [B, tokens, channels].
    pub fn new(data: &'a mut [MaybeUninit<f32>], tokens: usize, channels: usize) -> Self {
        let (len, data) = (data.len(), data.as_mut_ptr());
        Self {
            data,
            len,
            tokens,
            width: channels,
            first: 0,
            channels,
            windows: None,
            borrow: PhantomData,
        }
    }

    /// The gradients of q, k and v: a tensor [B, tokens, 3 channels] of rows [q | k | v].
    pub fn packed(data: &'a mut [MaybeUninit<f32>], tokens: usize, channels: usize) -> [Self; 3] {
        let (len, data) = (data.len(), data.as_mut_ptr());
        // Three views of one slice, which have no column in common.
        [0, 1, 2].map(|part| Self {
            data,
            len,
            tokens,
            width: 3 * channels,
            first: part * channels,
            channels,
            windows: None,
            borrow: PhantomData,
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
            self.len,
            batch * tokens * self.width,
            "a target of {batch} images"
        );
    }

    /// Head `head` of `dim` channels of image, or window, `image`, for writing. Panics if
    /// the target has no such image or head.
    ///
    /// # Safety
    /// Nobody else may have the same head of the same image, or window, of this target at
    /// the time, and all heads in use at a time must have the same `dim`. (No two windows
    /// have a token in common: see [`Partition`].)
    pub(super) unsafe fn head(&self, image: usize, head: usize, dim: usize) -> HeadRowsMut<'_> {
        assert!(
            (head + 1) * dim <= self.channels,
            "no head {head} of {dim} channels"
        );
        let (image, map) = in_image(self.windows, image);
        assert!(
            (image + 1) * self.tokens * self.width <= self.len,
            "no image {image}"
        );
        let start = image * self.tokens * self.width + self.first + head * dim;
        HeadRowsMut {
            target: self,
            start,
            dim,
            map,
        }
    }
}

/// The rows of one head of one image, or window, for writing.
pub(super) struct HeadRowsMut<'a> {
    target: &'a Target<'a>,
    start: usize,
    dim: usize,
    map: Option<&'a [u32]>,
}

impl HeadRowsMut<'_> {
    /// Row `i`.
    pub(super) fn row(&mut self, i: usize) -> &mut [MaybeUninit<f32>] {
        let Target { tokens, width, .. } = *self.target;
        let i = self.map.map_or(i, |map| map[i] as usize);
        assert!(i < tokens, "an image has {tokens} rows, no row {i}");
        // SAFETY: `Target::head` has checked that the image and the columns are within the
        // tensor, the line above that the row is the image's; its caller vouches that these
        // columns of the rows of this image, or window, are in nobody else's hands, and this
        // borrow that nobody has another row.
        unsafe {
            let start = self.target.data.add(self.start + i * width);
            std::slice::from_raw_parts_mut(start, self.dim)
        }
    }

    /// Writes rows `from .. from + count` with the first numbers of the rows of `x`, which
    /// are `stride` apart.
    pub(super) fn write(&mut self, from: usize, count: usize, x: &[f32], stride: usize) {
        for (i, x) in x.chunks_exact(stride).take(count).enumerate() {
            for (out, &x) in self.row(from + i).iter_mut().zip(x) {
                out.write(x);
            }
        }
    }

    /// Writes rows 0, 1, ... with `x` times each of `weights`.
    pub(super) fn write_multiples(&mut self, weights: &[f32], x: &[f32]) {
        for (i, &weight) in weights.iter().enumerate() {
            for (out, &x) in self.row(i).iter_mut().zip(x) {
                out.write(weight * x);
            }
        }
    }
}
