//! From views in 8 bits to the floats that a model takes.

mod composed;

use std::borrow::Cow;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use spectralkd_base::random::Stream;

use crate::erase::{ErasedBox, Fill, noise};
use crate::geometry::check_size;
use crate::image::luma_planes;
use crate::pipeline::check_channels;
use crate::rect::Rect;
use crate::resize::Resize;
use crate::{Batch, DatasetError, Mixing, Normalise, Result};

/// Values that one thread renders before rayon may split the work further.
const VALUES_PER_TASK: usize = 1 << 13;

/// How one consumer (a student, a teacher) sees a batch.
///
/// A view is brought to the channels asked for (grey to colours by repetition, colours to grey
/// as Pillow's `convert("L")`) and resized, where its size is another, in 8 bits (Pillow's
/// bicubic). Then, in timm's order: mirrored, normalised, erased, mixed. Boxes are scaled with
/// the view; an erased box's noise is drawn in the view's own size and channels, so that all
/// consumers see the same.
///
/// The work is shared by rayon's current pool. The values do not depend on the number of threads.
///
/// ```
/// use std::sync::Arc;
/// use candle_core::Device;
/// use spectralkd_datasets::*;
///
/// let classes = vec!["a".to_owned()];
/// let set = Arc::new(ImageSet::new([1, 28, 28], vec![0; 2 * 784], vec![0; 2], classes)?);
/// let pipeline = Pipeline::new([28, 28], 1, Geometry::AsIs);
/// let batch = Loader::new(set, Arc::new(pipeline), 0, 0)?.batch(&BatchRequest::plain(&[0, 1]))?;
///
/// let student = Render::new([28, 28], 1, fashion_mnist::normalise())?;
/// let teacher = Render::new([224, 224], 3, Normalise::imagenet())?;
/// assert_eq!(student.render(&batch, &Device::Cpu)?.dims(), [2, 1, 28, 28]);
/// assert_eq!(teacher.render(&batch, &Device::Cpu)?.dims(), [2, 3, 224, 224]);
/// # Ok::<(), DatasetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Render {
    size: [usize; 2],
    channels: usize,
    normalise: Normalise,
    /// The value of every level in every channel.
    tables: Vec<[f32; 256]>,
}

impl Render {
    /// Renders to `[B, channels, H, W]` with `size` = `[H, W]`; `channels` is 1 or 3.
    ///
    /// # Errors
    /// [`DatasetError::Pipeline`] for a size that cannot be made, [`DatasetError::Channels`],
    /// or those of [`Normalise::check`].
    pub fn new(size: [usize; 2], channels: usize, normalise: Normalise) -> Result<Self> {
        check_size(size).map_err(|reason| DatasetError::Pipeline { reason })?;
        check_channels(channels)?;
        normalise.check(channels)?;
        Ok(Self {
            size,
            channels,
            tables: normalise.tables(),
            normalise,
        })
    }

    /// Height and width of what it makes.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The channels of what it makes.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// What it does to the levels.
    pub fn normalise(&self) -> &Normalise {
        &self.normalise
    }

    /// The batch as this consumer sees it: f32 `[B, C, H, W]`, finished on `device`. Another device than the CPU is
    /// sent levels of 8 bits, brought to this size ([`Self::render_composed`]).
    ///
    /// # Errors
    /// Those of [`Batch::check`]; [`DatasetError::Tensor`] if candle fails.
    pub fn render(&self, batch: &Batch, device: &Device) -> Result<Tensor> {
        if !device.is_cpu() {
            return self.render_composed(batch, device);
        }
        batch.check()?;
        let [height, width] = self.size;
        let size = self.channels * height * width;
        let from = [batch.shape[2], batch.shape[3]];
        let resize = self.resize(from);

        let mut values = vec![0f32; batch.len() * size];
        let per_task = VALUES_PER_TASK.div_ceil(size);
        values
            .par_chunks_exact_mut(size)
            .with_min_len(per_task)
            .enumerate()
            .for_each(|(i, values)| self.draw(batch, i, resize.as_ref(), values));
        if let Some(mixing) = &batch.mixing {
            values = self.mix(&values, mixing, from);
        }
        let shape = (batch.len(), self.channels, height, width);
        Ok(Tensor::from_vec(values, shape, device)?)
    }

    /// From views of this size, where it is another one.
    fn resize(&self, from: [usize; 2]) -> Option<Resize> {
        (from != self.size).then(|| Resize::new(from, self.size, Rect::all(self.size)))
    }

    /// Writes view `i`, mirrored, normalised and erased, to `values`, `[C, H, W]`.
    fn draw(&self, batch: &Batch, i: usize, resize: Option<&Resize>, values: &mut [f32]) {
        let [_, channels, height, width] = batch.shape;
        let levels = self.levels(batch.view(i), channels, [height, width], resize);
        let [height, width] = self.size;
        let planes = values.chunks_exact_mut(height * width).zip(&self.tables);
        // The planes of a grey image are seen once per channel.
        let levels = levels.chunks_exact(height * width).cycle();
        for ((plane, table), levels) in planes.zip(levels) {
            let rows = plane.chunks_exact_mut(width);
            for (row, levels) in rows.zip(levels.chunks_exact(width)) {
                for (value, &level) in row.iter_mut().zip(levels) {
                    *value = table[usize::from(level)];
                }
                if batch.flipped[i] {
                    row.reverse();
                }
            }
        }
        self.erase(values, batch, i);
    }

    /// A view's levels in this size: one plane or three, never more than are asked for.
    fn levels<'a>(
        &self,
        view: &'a [u8],
        channels: usize,
        from: [usize; 2],
        resize: Option<&Resize>,
    ) -> Cow<'a, [u8]> {
        let view = match (channels, self.channels) {
            (3, 1) => Cow::Owned(luma_planes(view)),
            _ => Cow::Borrowed(view),
        };
        let Some(resize) = resize else {
            return view;
        };
        let planes = view.chunks_exact(from[0] * from[1]);
        let resized = planes.flat_map(|plane| resize.apply::<1>(plane.chunks_exact(from[1])));
        Cow::Owned(resized.collect())
    }

    /// Fills the erased boxes of view `i` in `values`, `[C, H, W]`.
    fn erase(&self, values: &mut [f32], batch: &Batch, i: usize) {
        for (number, erased) in batch.erased[i].iter().enumerate() {
            let noise = noise(&batch.keys[i], number);
            self.fill(values, batch.shape, erased, noise);
        }
    }

    fn fill(&self, values: &mut [f32], shape: [usize; 4], erased: &ErasedBox, mut noise: Stream) {
        let [_, channels, from_height, from_width] = shape;
        let [height, width] = self.size;
        let area = erased.area;
        let here = area.scaled([from_height, from_width], self.size);
        let noise: Vec<f32> = match erased.fill {
            Fill::Zero => Vec::new(),
            Fill::Noise => (0..channels * area.area())
                .map(|_| noise.normal() as f32)
                .collect(),
        };
        // The pixel of the box in the view that shows here.
        let nearest = |at: usize, side: usize, from: usize, start: usize, count: usize| {
            let pixel = (2 * at + 1) * from / (2 * side);
            pixel.clamp(start, start + count - 1) - start
        };
        for (channel, plane) in values.chunks_exact_mut(height * width).enumerate() {
            let rows = plane.chunks_exact_mut(width).enumerate();
            for (y, row) in rows.skip(here.top).take(here.height) {
                let row = &mut row[here.left..][..here.width];
                if noise.is_empty() {
                    row.fill(0.0);
                    continue;
                }
                let y = nearest(y, height, from_height, area.top, area.height);
                let noise = &noise[((channel % channels) * area.height + y) * area.width..];
                for (value, x) in row.iter_mut().zip(here.left..) {
                    *value = noise[nearest(x, width, from_width, area.left, area.width)];
                }
            }
        }
    }

    /// The mixed views, of the finished ones.
    fn mix(&self, values: &[f32], mixing: &[Mixing], from: [usize; 2]) -> Vec<f32> {
        let [height, width] = self.size;
        let size = self.channels * height * width;
        let mut mixed = values.to_vec();
        let views = mixed.par_chunks_exact_mut(size).zip(mixing);
        let per_task = VALUES_PER_TASK.div_ceil(size);
        views.with_min_len(per_task).for_each(|(view, mixing)| {
            let other = &values[mixing.partner as usize * size..][..size];
            let Some(cut) = mixing.cut else {
                let (share, rest) = (mixing.share as f32, (1.0 - mixing.share) as f32);
                for (value, other) in view.iter_mut().zip(other) {
                    *value = *value * share + *other * rest;
                }
                return;
            };
            let cut = cut.scaled(from, self.size);
            let planes = view.chunks_exact_mut(height * width);
            for (plane, other) in planes.zip(other.chunks_exact(height * width)) {
                let rows = plane.chunks_exact_mut(width).zip(other.chunks_exact(width));
                for (row, other) in rows.skip(cut.top).take(cut.height) {
                    let columns = cut.left..cut.left + cut.width;
                    row[columns.clone()].copy_from_slice(&other[columns]);
                }
            }
        });
        mixed
    }
}
