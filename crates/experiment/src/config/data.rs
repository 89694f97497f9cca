//! `[data]`: which images, and what happens to them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::fault::{Fault, rule};

/// The images of an experiment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// What kind of data set.
    pub dataset: Source,
    /// The folder it lies in; `--data` goes before it. Not needed for the embedded images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The images to train on: for `fashion-mnist` "embedded" or "full"; for `idx` the beginning of the files' names;
    /// for `folder` the sub-folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<String>,
    /// The images to test on, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// Training images per class, the first in the data set's order; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_class: Option<usize>,
    /// Test images per class; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_per_class: Option<usize>,
    /// Test images per class in the learning curves; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve_per_class: Option<usize>,
    /// Height and width of the views, pixels; the student's image size without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// How training images are cut out; by default `none` for IDX images, `random-resized` for pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// Share of a picture's area that a random crop holds, lowest and highest.
    #[serde(default = "scale")]
    pub scale: [f64; 2],
    /// Width over height of a random crop, lowest and highest.
    #[serde(default = "ratio")]
    pub ratio: [f64; 2],
    /// Share of the resized picture's shorter side that evaluation keeps (256 -> 224 of the paper: 0.875).
    #[serde(default = "crop_pct")]
    pub crop_pct: f64,
    /// Flip each training image left to right with probability one half.
    #[serde(default)]
    pub flip: bool,
    /// Probability that a box of a training image is erased (timm's `reprob`, mode pixel).
    #[serde(default)]
    pub erase: f64,
    /// Mixup's alpha; 0 for none.
    #[serde(default)]
    pub mixup: f64,
    /// CutMix's alpha; 0 for none. With both, one of them is drawn for every batch.
    #[serde(default)]
    pub cutmix: f64,
    /// Mean per channel of images scaled to 0..1, for the student; by default the data set's or the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    /// Standard deviation per channel of images scaled to 0..1; positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<Vec<f32>>,
    /// Threads that read and decode ahead of training; 0 to do it in between. By default one for pictures, none for
    /// images in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
}

/// The kinds of data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// 28x28 grey images of ten kinds of clothing, embedded or in a folder.
    FashionMnist,
    /// Any pairs of IDX files of images and labels.
    Idx,
    /// A folder of pictures for each class.
    Folder,
}

/// How training images are cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// As they are; all must have the views' size.
    None,
    /// Resized and cut out of the middle, as in evaluation.
    Centre,
    /// torchvision's RandomResizedCrop, bicubic.
    RandomResized,
}

/// More threads than any machine here has cores.
const MOST_WORKERS: usize = 256;

fn scale() -> [f64; 2] {
    [0.08, 1.0]
}

fn ratio() -> [f64; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

fn crop_pct() -> f64 {
    0.875
}

impl Data {
    /// Number of classes, where it is known before the images are opened.
    pub fn classes(&self) -> Option<usize> {
        match self.dataset {
            Source::FashionMnist => Some(10),
            Source::Idx | Source::Folder => None,
        }
    }

    /// Channels of the images, where they are known before the images are opened.
    pub fn channels(&self) -> Option<usize> {
        match self.dataset {
            Source::FashionMnist => Some(1),
            Source::Folder => Some(3),
            Source::Idx => None,
        }
    }

    /// How training images are cut out.
    pub fn crop(&self) -> Crop {
        self.crop.unwrap_or(match self.dataset {
            Source::FashionMnist | Source::Idx => Crop::None,
            Source::Folder => Crop::RandomResized,
        })
    }

    /// Whether an image has at most two training views, itself and its mirror image.
    pub fn only_flips(&self) -> bool {
        let mixes = self.mixup > 0.0 || self.cutmix > 0.0;
        self.crop() != Crop::RandomResized && self.erase == 0.0 && !mixes
    }

    /// Whether every value makes sense.
    ///
    /// # Errors
    /// The first key that does not, and the rule.
    pub(super) fn validate(&self) -> Result<(), Fault> {
        let some = |n: Option<usize>| n != Some(0);
        let within = |[low, high]: [f64; 2]| low > 0.0 && low <= high && high.is_finite();
        let not_negative = |x: f64| x.is_finite() && x >= 0.0;
        rule(some(self.per_class), "per_class", "must be at least 1")?;
        rule(
            some(self.test_per_class),
            "test_per_class",
            "must be at least 1",
        )?;
        rule(
            some(self.curve_per_class),
            "curve_per_class",
            "must be at least 1",
        )?;
        rule(
            self.size.is_none_or(|size| !size.contains(&0)),
            "size",
            "must be [height, width], at least 1 each",
        )?;
        rule(
            within(self.scale) && self.scale[1] <= 1.0,
            "scale",
            "must be [lowest, highest] share of the area, in (0, 1]",
        )?;
        rule(
            within(self.ratio),
            "ratio",
            "must be [lowest, highest], positive",
        )?;
        rule(
            self.crop_pct > 0.0 && self.crop_pct <= 1.0,
            "crop_pct",
            "must lie in (0, 1]",
        )?;
        rule(
            (0.0..=1.0).contains(&self.erase),
            "erase",
            "must be a probability, 0 to 1",
        )?;
        rule(
            self.workers.is_none_or(|workers| workers <= MOST_WORKERS),
            "workers",
            "must be at most 256: more threads than cores read no faster",
        )?;
        rule(not_negative(self.mixup), "mixup", "must not be negative")?;
        rule(not_negative(self.cutmix), "cutmix", "must not be negative")?;
        normalisation(self.mean.as_deref(), self.std.as_deref())
    }
}

/// Rules for `mean` and `std`, of the images or of a teacher's.
pub(super) fn normalisation(mean: Option<&[f32]>, std: Option<&[f32]>) -> Result<(), Fault> {
    let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    let level = |values: &[f32]| values.iter().all(|value| (0.0..=1.0).contains(value));
    rule(
        mean.is_none_or(level),
        "mean",
        "must be numbers from 0 to 1, as images are scaled",
    )?;
    rule(
        std.is_none_or(|std| finite(std) && std.iter().all(|&s| s > 0.0)),
        "std",
        "must be positive numbers",
    )?;
    rule(
        mean.map(<[f32]>::len) == std.map(<[f32]>::len),
        if mean.is_some() { "mean" } else { "std" },
        "mean and std go together, a number each for every channel",
    )
}
