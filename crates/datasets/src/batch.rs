//! The views of one step, and what finishes them.

use candle_core::{Device, Tensor};

use crate::erase::ErasedBox;
use crate::{DatasetError, Mixing, Result, ViewKey};

/// A batch of views in 8 bits, with what finishes them as data. [`Render`](crate::Render)
/// makes the floats of it that a model takes; teacher and student may take different ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The epoch that it was asked for in.
    pub epoch: u64,
    /// Its number in the epoch.
    pub number: u64,
    /// The key of each view.
    pub keys: Vec<ViewKey>,
    /// Views, channels, height and width.
    pub shape: [usize; 4],
    /// The levels, of `shape`: neither mirrored, erased nor mixed.
    pub views: Vec<u8>,
    /// Which views are mirrored.
    pub flipped: Vec<bool>,
    /// What is erased of each view.
    pub erased: Vec<Vec<ErasedBox>>,
    /// How each view is mixed; `None` where none is.
    pub mixing: Option<Vec<Mixing>>,
    /// The class of each image; `None` for a set without labels.
    pub labels: Option<Vec<u32>>,
    /// How many classes the set has; 0 without labels.
    pub classes: usize,
}

impl Batch {
    /// The number of views, at least 1.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no views: never.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The levels of view `i`, `[C, H, W]`.
    ///
    /// # Panics
    /// If `i` is not below [`Batch::len`], as for a slice.
    pub fn view(&self, i: usize) -> &[u8] {
        let [_, channels, height, width] = self.shape;
        let size = channels * height * width;
        &self.views[i * size..][..size]
    }

    /// Where the images stand in their set.
    pub fn indices(&self) -> Vec<u32> {
        self.keys.iter().map(|key| key.index).collect()
    }

    /// For each view, what keys the random draws of layers, which are keyed by the step
    /// besides ([`ViewKey::draw_key`]): two views of one image in one batch differ.
    pub fn draw_keys(&self) -> Vec<u64> {
        self.keys.iter().map(ViewKey::draw_key).collect()
    }

    /// The classes, `[B]` in u32; `None` for a set without labels.
    ///
    /// # Errors
    /// [`DatasetError::Tensor`] if candle fails.
    pub fn labels_tensor(&self, device: &Device) -> Result<Option<Tensor>> {
        let Some(labels) = &self.labels else {
            return Ok(None);
        };
        let labels = Tensor::from_slice(labels, labels.len(), device)?;
        Ok(Some(labels))
    }

    /// The targets of mixed views, `[B, K]` in f32: the share of an image at its class plus the
    /// rest at its partner's, as timm's `mixup_target` without smoothing. `None` where the
    /// batch is not mixed, or has no labels.
    ///
    /// # Errors
    /// [`DatasetError::Batch`] if a partner or a label does not exist, [`DatasetError::Tensor`]
    /// if candle fails.
    pub fn targets(&self, device: &Device) -> Result<Option<Tensor>> {
        let (Some(labels), Some(mixing)) = (&self.labels, &self.mixing) else {
            return Ok(None);
        };
        self.check()?;
        let mut targets = vec![0f32; labels.len() * self.classes];
        let rows = targets.chunks_exact_mut(self.classes).zip(labels);
        for ((row, &label), mixing) in rows.zip(mixing) {
            row[label as usize] += mixing.share as f32;
            let partner = labels[mixing.partner as usize];
            row[partner as usize] += (1.0 - mixing.share) as f32;
        }
        let shape = (labels.len(), self.classes);
        Ok(Some(Tensor::from_vec(targets, shape, device)?))
    }

    /// Checks that all parts belong together, as those of a [`Loader`](crate::Loader) do.
    ///
    /// # Errors
    /// [`DatasetError::Batch`], [`DatasetError::EmptyBatch`] or [`DatasetError::Channels`].
    pub fn check(&self) -> Result<()> {
        let count = self.keys.len();
        if count == 0 {
            return Err(DatasetError::EmptyBatch);
        }
        crate::pipeline::check_channels(self.shape[1])?;
        let wrong = |reason: String| Err(DatasetError::Batch { reason });
        let size = self
            .shape
            .iter()
            .try_fold(1usize, |n, &side| n.checked_mul(side));
        if self.shape[0] != count || size != Some(self.views.len()) || self.views.is_empty() {
            return wrong(format!(
                "{count} views of shape {:?} (B, C, H, W) out of {} bytes",
                self.shape,
                self.views.len()
            ));
        }
        let mixed = self.mixing.as_ref().map_or(count, Vec::len);
        let labels = self.labels.as_ref().map_or(count, Vec::len);
        let parts = [self.flipped.len(), self.erased.len(), mixed, labels];
        if parts != [count; 4] {
            return wrong(format!(
                "{count} views with {} flips, {} lists of erased boxes, {} mixings and {} labels",
                parts[0], parts[1], parts[2], parts[3]
            ));
        }
        let labels = self.labels.iter().flatten();
        if let Some(label) = labels
            .copied()
            .find(|&label| label as usize >= self.classes)
        {
            return wrong(format!("label {label} of {} classes", self.classes));
        }
        let [_, _, height, width] = self.shape;
        let partners = self.mixing.iter().flatten();
        let boxes = partners.clone().filter_map(|mixing| mixing.cut);
        let erased = self.erased.iter().flatten().map(|erased| erased.area);
        let beyond = |area: &crate::Rect| {
            let bottom = area.top.saturating_add(area.height);
            let right = area.left.saturating_add(area.width);
            bottom > height || right > width
        };
        if let Some(area) = boxes.chain(erased).find(beyond) {
            return wrong(format!("{area:?} in views of {height}x{width} pixels"));
        }
        match partners
            .clone()
            .find(|mixing| mixing.partner as usize >= count)
        {
            None => Ok(()),
            Some(mixing) => wrong(format!("{mixing:?} in a batch of {count}")),
        }
    }
}
