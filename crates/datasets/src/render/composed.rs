//! Rendering out of candle's operations, on any device: the levels are sent in 8 bits and become floats there.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::Render;
use crate::{Batch, Mixing, Result};

impl Render {
    /// [`Self::render`] out of candle's own operations, to the same bits: what other devices than a CPU run. Channels and
    /// sizes are matched before, in 8 bits; views are mirrored, normalised, erased and mixed on `device`.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_composed(&self, batch: &Batch, device: &Device) -> Result<Tensor> {
        batch.check()?;
        let mut values = self.normalised(self.all_levels(batch, device)?, device)?;
        if batch.flipped.contains(&true) {
            values = flip(&values, &batch.flipped)?;
        }
        if batch.erased.iter().any(|boxes| !boxes.is_empty()) {
            values = self.erased(&values, batch)?;
        }
        match &batch.mixing {
            Some(mixing) => self.mixed(&values, mixing, [batch.shape[2], batch.shape[3]]),
            None => Ok(values),
        }
    }

    /// The levels of all views in this size, u8 [B, 1 or C, H, W].
    fn all_levels(&self, batch: &Batch, device: &Device) -> Result<Tensor> {
        let [_, channels, from_height, from_width] = batch.shape;
        let ([height, width], from) = (self.size, [from_height, from_width]);
        let resize = self.resize(from);
        let planes = channels.min(self.channels);
        let mut levels = vec![0; batch.len() * planes * height * width];
        let views = levels.par_chunks_exact_mut(planes * height * width);
        views.enumerate().for_each(|(i, levels)| {
            let own = self.levels(batch.view(i), channels, from, resize.as_ref());
            levels.copy_from_slice(&own);
        });
        let shape = (batch.len(), planes, height, width);
        Ok(Tensor::from_vec(levels, shape, device)?)
    }

    /// (level / 255 - mean) / std in f32, [B, C, H, W].
    fn normalised(&self, levels: Tensor, device: &Device) -> Result<Tensor> {
        let of_channels =
            |values: &[f32]| Tensor::from_slice(values, (1, values.len(), 1, 1), device);
        let (mean, std) = (
            of_channels(&self.normalise.mean)?,
            of_channels(&self.normalise.std)?,
        );
        // A division, for candle divides by a number as it multiplies with the inverse.
        let most = Tensor::new(&[255f32], device)?.reshape((1, 1, 1, 1))?;
        let shares = levels.to_dtype(DType::F32)?.broadcast_div(&most)?;
        Ok(shares.broadcast_sub(&mean)?.broadcast_div(&std)?)
    }

    /// The views with their erased boxes, which are drawn on the CPU and sent for the views that have any.
    fn erased(&self, values: &Tensor, batch: &Batch) -> Result<Tensor> {
        let (count, device) = (batch.len(), values.device());
        let [height, width] = self.size;
        let size = self.channels * height * width;
        let (mut rows, mut order) = (Vec::new(), (0..count as u32).collect::<Vec<_>>());
        for (i, boxes) in batch.erased.iter().enumerate() {
            if !boxes.is_empty() {
                order[i] = (count + rows.len()) as u32;
                rows.push(i as u32);
            }
        }
        // NaN stands where nothing is erased: noise and zeros are finite.
        let mut fills = vec![f32::NAN; rows.len() * size];
        let boxes = fills.par_chunks_exact_mut(size).zip(&rows);
        boxes.for_each(|(fill, &i)| self.erase(fill, batch, i as usize));
        let kept: Vec<u8> = fills.iter().map(|value| u8::from(value.is_nan())).collect();
        let shape = (rows.len(), self.channels, height, width);
        let fills = Tensor::from_vec(fills, shape, device)?;
        let kept = Tensor::from_vec(kept, shape, device)?;
        let rows = Tensor::new(rows, device)?;
        let erased = kept.where_cond(&values.index_select(&rows, 0)?, &fills)?;
        let order = Tensor::new(order, device)?;
        Ok(Tensor::cat(&[values, &erased], 0)?.index_select(&order, 0)?)
    }

    /// The mixed views, of the finished ones.
    fn mixed(&self, values: &Tensor, mixing: &[Mixing], from: [usize; 2]) -> Result<Tensor> {
        let device = values.device();
        let partners: Vec<u32> = mixing.iter().map(|mixing| mixing.partner).collect();
        let others = values.index_select(&Tensor::new(partners, device)?, 0)?;
        // A view that is cut keeps its values beyond the cut.
        let shares = |own: fn(f64) -> f64, of_cut: f32| -> Vec<f32> {
            let views = mixing.iter();
            let share = |mixing: &Mixing| match mixing.cut {
                None => own(mixing.share) as f32,
                Some(_) => of_cut,
            };
            views.map(share).collect()
        };
        let (own, rest) = (shares(|share| share, 1.0), shares(|share| 1.0 - share, 0.0));
        let of_views = |shares: Vec<f32>| Tensor::from_vec(shares, (mixing.len(), 1, 1, 1), device);
        let own = values.broadcast_mul(&of_views(own)?)?;
        let mixed = (own + others.broadcast_mul(&of_views(rest)?)?)?;
        if mixing.iter().all(|mixing| mixing.cut.is_none()) {
            return Ok(mixed);
        }
        let [height, width] = self.size;
        let mut cut = vec![0u8; mixing.len() * height * width];
        for (cut, mixing) in cut.chunks_exact_mut(height * width).zip(mixing) {
            let Some(area) = mixing.cut.map(|area| area.scaled(from, self.size)) else {
                continue;
            };
            let rows = cut.chunks_exact_mut(width).skip(area.top).take(area.height);
            rows.for_each(|row| row[area.left..][..area.width].fill(1));
        }
        let cut = Tensor::from_vec(cut, (mixing.len(), 1, height, width), device)?;
        let cut = cut.broadcast_as(mixed.shape())?;
        Ok(cut.where_cond(&others, &mixed)?)
    }
}

/// The views, those mirrored that are `flipped`.
fn flip(values: &Tensor, flipped: &[bool]) -> Result<Tensor> {
    let device = values.device();
    let columns = values.dims()[3] as u32;
    let reversed: Vec<u32> = (0..columns).rev().collect();
    let mirrored = values.index_select(&Tensor::new(reversed, device)?, 3)?;
    let flipped: Vec<u8> = flipped.iter().map(|&flipped| u8::from(flipped)).collect();
    let flipped = Tensor::from_vec(flipped, (values.dims()[0], 1, 1, 1), device)?;
    let flipped = flipped.broadcast_as(values.shape())?;
    Ok(flipped.where_cond(&mirrored, values)?)
}
