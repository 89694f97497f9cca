//! Weights of other sizes made to fit, as timm does when it loads a checkpoint.

mod bias_table;
mod heads;
mod resample;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

pub(super) use heads::draw;

use super::source::Described;
use crate::{ModelConfig, Result};

/// The convolution that reads the images.
const PATCHES: &str = "patch_embed.proj.weight";
/// The classifiers of all families.
const HEADS: [&str; 3] = ["head", "head_dist", "head.fc"];

/// What is done to a tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// A position embedding [1, prefix + patches, C] for another grid (height, width) of patches.
    Positions {
        old: [usize; 2],
        new: [usize; 2],
        prefix: usize,
    },
    /// A table of biases [offsets, heads] for another window, by (height, width) of the offsets.
    BiasTable { old: [usize; 2], new: [usize; 2] },
    /// A patch embedding [C, from, P, P] for images of `to` channels.
    Channels { from: usize, to: usize },
    /// A classifier for other classes is dropped and drawn anew.
    Fresh { from: usize, to: usize },
}

/// A file of weights, and the model that it is to fit.
pub(super) struct Plan<'a> {
    pub config: &'a ModelConfig,
    pub expected: &'a BTreeMap<String, Vec<usize>>,
    /// By timm's names.
    pub found: &'a BTreeMap<String, Described>,
    /// Height and width of the images that the file's model takes, where that is known.
    pub image: Option<[usize; 2]>,
}

impl Plan<'_> {
    /// What is to be done to the tensor `name`; `None` if it fits as it is, or cannot be made to fit.
    pub fn change(&self, name: &str) -> Result<Option<Change>> {
        let (Some(found), Some(shape)) = (self.found.get(name), self.expected.get(name)) else {
            return Ok(None);
        };
        let change = if name == "pos_embed" {
            self.positions(&found.shape, shape)?
        } else if found.shape == *shape {
            None
        } else if name == PATCHES {
            channels(&found.shape, shape)
        } else if name.ends_with(".relative_position_bias_table") {
            self.bias_table(name, &found.shape, shape)
        } else {
            self.fresh(name)
        };
        Ok(change)
    }

    fn positions(&self, old: &[usize], new: &[usize]) -> Result<Option<Change>> {
        let (&[1, old_tokens, width], &[1, new_tokens, new_width]) = (old, new) else {
            return Ok(None);
        };
        let Some(&[_, height, length]) = self.config.info()?.taps.first() else {
            return Ok(None);
        };
        let prefix = new_tokens.saturating_sub(height * length);
        let (Some(patches), true) = (old_tokens.checked_sub(prefix), width == new_width) else {
            return Ok(None);
        };
        let side = patches.isqrt();
        let known = self.file_grid().filter(|grid| grid[0] * grid[1] == patches);
        let old = match known {
            Some(grid) => grid,
            // As timm: equally many patches are taken for the same grid, others for a square.
            None if old_tokens == new_tokens => return Ok(None),
            None if side > 0 && side * side == patches => [side, side],
            None => return Ok(None),
        };
        let new = [height, length];
        Ok((old != new).then_some(Change::Positions { old, new, prefix }))
    }

    /// The grid of the file's model.
    fn file_grid(&self) -> Option<[usize; 2]> {
        let &[_, _, height, width] = self.found.get(PATCHES)?.shape.as_slice() else {
            return None;
        };
        let image = self.image?;
        Some([image[0].checked_div(height)?, image[1].checked_div(width)?])
    }

    fn bias_table(&self, name: &str, old: &[usize], new: &[usize]) -> Option<Change> {
        let (&[offsets, heads], &[_, new_heads]) = (old, new) else {
            return None;
        };
        let new = bias_table::offsets(self.config, name)?;
        let side = offsets.isqrt(); // a table says nothing of its window, and published ones are square
        let usable = heads == new_heads && side * side == offsets && side % 2 == 1;
        usable.then_some(Change::BiasTable {
            old: [side, side],
            new,
        })
    }

    /// All of a classifier, if its weight differs in the number of classes alone.
    fn fresh(&self, name: &str) -> Option<Change> {
        let (head, part) = name.rsplit_once('.')?;
        if !HEADS.contains(&head) || !matches!(part, "weight" | "bias") {
            return None;
        }
        let weight = format!("{head}.weight");
        let (&[from, width], &[to, new_width]) = (
            self.found.get(&weight)?.shape.as_slice(),
            self.expected.get(&weight)?.as_slice(),
        ) else {
            return None;
        };
        let whole = self.found.get(name)?.shape.first() == Some(&from);
        (width == new_width && from != to && whole).then_some(Change::Fresh { from, to })
    }
}

impl Change {
    /// What is done, in words; the same for tensors that belong together.
    pub fn note(&self, family: &str) -> String {
        match self {
            Self::Positions { old, new, .. } => format!(
                "resampled the position embedding from {}x{} to {}x{} patches (bicubic with antialias{})",
                old[0],
                old[1],
                new[0],
                new[1],
                if family == "cait" {
                    "; timm itself refuses CaiT at other sizes"
                } else {
                    ", as timm does"
                }
            ),
            Self::BiasTable { old, new } => format!(
                "resized relative position bias tables from {}x{} to {}x{} offsets (as timm does without scipy)",
                old[0], old[1], new[0], new[1]
            ),
            Self::Channels { from, to: 1 } => {
                format!("summed the patch embedding over its {from} channels for images of one")
            }
            Self::Channels { from, to } => format!(
                "repeated the patch embedding's {from} channels for images of {to}, times {from}/{to}"
            ),
            Self::Fresh { from, to } => format!(
                "the classifier is new, its weights drawn at random: the file's has {from} classes, the model {to}"
            ),
        }
    }

    /// The changed tensor, f32. (A fresh one is not made of the old: [`draw`].)
    pub fn apply(&self, tensor: &Tensor) -> Result<Tensor> {
        let shape = tensor.dims();
        let values: Vec<f64> = tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let (values, shape) = match *self {
            Self::Positions { old, new, prefix } => {
                let width = shape[2];
                let (kept, grid) = values.split_at(prefix * width);
                let resampled = resample::bicubic(grid, width, old, new);
                let tokens = prefix + new[0] * new[1];
                ([kept, &resampled].concat(), vec![1, tokens, width])
            }
            Self::BiasTable { old, new } => {
                let heads = shape[1];
                let resized = bias_table::resize(&values, heads, old, new);
                (resized, vec![new[0] * new[1], heads])
            }
            Self::Channels { from, to } => {
                let area = shape[2] * shape[3];
                let converted = convert_channels(&values, from, to, area);
                (converted, vec![shape[0], to, shape[2], shape[3]])
            }
            Self::Fresh { .. } => return Ok(tensor.clone()),
        };
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(DType::F32)?)
    }
}

fn channels(found: &[usize], expected: &[usize]) -> Option<Change> {
    let (&[width, from, ref patch @ ..], &[new_width, to, ref new_patch @ ..]) = (found, expected)
    else {
        return None;
    };
    let same = width == new_width && patch == new_patch && patch.len() == 2 && from > 0;
    same.then_some(Change::Channels { from, to })
}

/// timm's `adapt_input_conv`: the sum for one channel, else channels in turn, times from/to.
fn convert_channels(values: &[f64], from: usize, to: usize, area: usize) -> Vec<f64> {
    let mut converted = Vec::with_capacity(values.len() / from * to);
    for filter in values.chunks_exact(from * area) {
        if to == 1 {
            let sum = |at: usize| filter.iter().skip(at).step_by(area).sum::<f64>();
            converted.extend((0..area).map(sum));
            continue;
        }
        let scale = from as f64 / to as f64;
        for channel in 0..to {
            let start = channel % from * area;
            converted.extend(
                filter[start..start + area]
                    .iter()
                    .map(|value| value * scale),
            );
        }
    }
    converted
}

/// The images' height and width in the `config.json` beside a file of weights, if there is one and it says so.
pub(super) fn image_size(weights: &Path) -> Option<[usize; 2]> {
    let text = fs::read(weights.with_file_name("config.json")).ok()?;
    let config: Value = serde_json::from_slice(&text).ok()?;
    let sides = |value: &Value| -> Option<[usize; 2]> {
        if let Some(side) = value.as_u64() {
            return Some([side as usize; 2]);
        }
        let sides = value.as_array()?;
        let [.., height, width] = sides.as_slice() else {
            return None;
        };
        Some([height.as_u64()? as usize, width.as_u64()? as usize])
    };
    let pretrained = config.get("pretrained_cfg").unwrap_or(&config);
    sides(&config["model_args"]["img_size"]).or_else(|| sides(&pretrained["input_size"]))
}
