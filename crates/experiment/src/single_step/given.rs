//! The images and labels of a step, from a file.

use std::path::Path;

use candle_core::safetensors::BufferedSafetensors;
use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};

/// Rendered images and what they show.
pub(super) struct Given {
    /// f32 [B, C, H, W].
    pub images: Tensor,
    /// u32 [B].
    pub labels: Option<Tensor>,
    /// f32 [B, K].
    pub targets: Option<Tensor>,
    /// 0 to B - 1.
    pub keys: Vec<u64>,
}

impl Given {
    /// The same on a device.
    pub fn on(self, device: &Device) -> Result<Self> {
        let on = |tensor: Option<Tensor>| tensor.map(|t| t.to_device(device)).transpose();
        Ok(Self {
            images: self.images.to_device(device)?,
            labels: on(self.labels)?,
            targets: on(self.targets)?,
            keys: self.keys,
        })
    }

    /// Reads `images`, and `labels` and `targets` where they are there.
    pub fn read(path: &Path) -> Result<Self> {
        let problem = |problem: String| Error::Images {
            path: path.to_owned(),
            problem,
        };
        let bytes = std::fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let file = BufferedSafetensors::new(bytes)
            .map_err(|e| problem(format!("it is no safetensors file: {e}")))?;
        let names: Vec<String> = file.tensors().into_iter().map(|(name, _)| name).collect();
        let find = |name: &str| -> Result<Option<Tensor>> {
            if !names.iter().any(|n| n == name) {
                return Ok(None);
            }
            let tensor = file.load(name, &Device::Cpu);
            tensor
                .map(Some)
                .map_err(|e| problem(format!("`{name}`: {e}")))
        };
        let images = find("images")?.ok_or_else(|| {
            problem(format!(
                "it holds no tensor `images`, f32 [B, C, H, W]; it holds {}",
                names.join(", ")
            ))
        })?;
        let &[batch, _, _, _] = images.dims() else {
            let dims = images.dims();
            return Err(problem(format!(
                "`images` has the shape {dims:?}, and must be [B, C, H, W]"
            )));
        };
        let images = images.to_dtype(DType::F32)?;
        if batch == 0 {
            return Err(problem("`images` holds no image".into()));
        }
        // A sum is finite where all values are, unless it overflows, which is no better.
        let sum = images.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
        if !sum.is_finite() {
            return Err(problem("`images` holds NaN or infinity".into()));
        }
        let labels = match find("labels")? {
            Some(labels) if labels.dims() != [batch] || labels.dtype().is_float() => {
                let (dims, dtype) = (labels.dims(), labels.dtype());
                return Err(problem(format!(
                    "`labels` is {dtype:?} {dims:?}, and must be integers [{batch}], one for each image"
                )));
            }
            Some(labels) => Some(labels.to_dtype(DType::U32)?),
            None => None,
        };
        let targets = match find("targets")? {
            Some(targets) if targets.rank() != 2 || targets.dims()[0] != batch => {
                let dims = targets.dims();
                return Err(problem(format!(
                    "`targets` has the shape {dims:?}, and must be [{batch}, K]"
                )));
            }
            Some(targets) => {
                let targets = targets.to_dtype(DType::F32)?;
                let shares = targets.to_vec2::<f32>()?;
                let wrong = |row: &Vec<f32>| {
                    row.iter().any(|share| share.is_nan() || *share < 0.0)
                        || (row.iter().sum::<f32>() - 1.0).abs() > 1e-3
                };
                if let Some(image) = shares.iter().position(wrong) {
                    return Err(problem(format!(
                        "the `targets` of image {image} are no shares of classes: they must not be negative, and add up to 1"
                    )));
                }
                Some(targets)
            }
            None => None,
        };
        Ok(Self {
            images,
            labels,
            targets,
            keys: (0..batch as u64).collect(),
        })
    }
}
