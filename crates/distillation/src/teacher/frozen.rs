//! A frozen model, run on every batch.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use spectralkd_datasets::{Batch, Render};
use spectralkd_losses::{Outputs, Request, Shapes};
use spectralkd_models::{ModelConfig, ModelInfo, VisionModel, weights};
use spectralkd_nn::Pass;

use super::{Columns, Teacher};
use crate::error::{Error, Result};
use crate::outputs::outputs;
use crate::shapes::shapes;

/// The number type of a teacher's large weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// f32 throughout.
    #[default]
    F32,
    /// The weights of linear layers in bf16, their sums in f32: half the memory, outputs within about 1 %.
    Bf16,
}

/// A model whose weights stay as they are.
pub struct FrozenTeacher {
    model: Box<dyn VisionModel>,
    render: Render,
    columns: Columns,
    shapes: Shapes,
    device: Device,
}

impl FrozenTeacher {
    /// A teacher on these weights, all of the model's, on the CPU. `columns` says how its classes meet those of the data set,
    /// `classes` how many those are.
    ///
    /// # Errors
    /// Sizes that no model can have, or weights that are not this model's.
    pub fn new(
        config: &ModelConfig,
        weights: BTreeMap<String, Tensor>,
        precision: Precision,
        render: Render,
        columns: Columns,
    ) -> Result<Self> {
        Self::new_on(&Device::Cpu, config, weights, precision, render, columns)
    }

    /// Where it lies, and where its images are to be.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// As [`Self::new`], on another device.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_on(
        device: &Device,
        config: &ModelConfig,
        weights: BTreeMap<String, Tensor>,
        precision: Precision,
        render: Render,
        columns: Columns,
    ) -> Result<Self> {
        let model = match precision {
            Precision::F32 => weights::into_frozen(config, weights, device)?,
            Precision::Bf16 => weights::into_frozen_bf16(config, weights, device)?,
        };
        let mut teacher = Self::of(model, render, columns);
        teacher.device = device.clone();
        Ok(teacher)
    }

    /// A teacher out of a model that was built on frozen weights on the CPU.
    pub fn of(model: Box<dyn VisionModel>, render: Render, columns: Columns) -> Self {
        let mut shapes = shapes(model.info());
        if let Some(classes) = columns.classes() {
            shapes.classes = classes;
        }
        Self {
            model,
            render,
            columns,
            shapes,
            device: Device::Cpu,
        }
    }

    /// The model.
    pub fn model(&self) -> &dyn VisionModel {
        self.model.as_ref()
    }

    /// What the model is.
    pub fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    /// From views to the teacher's images.
    pub fn render(&self) -> &Render {
        &self.render
    }

    /// How its classes meet those of the data set.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// What is asked for, on images [B, C, H, W] that are rendered already.
    ///
    /// # Errors
    /// As [`Teacher::outputs`].
    pub fn on_images(&self, images: &Tensor, requests: &BTreeSet<Request>) -> Result<Outputs> {
        let found = outputs(self.model(), images, requests, &Pass::eval())?;
        let mut answers = Outputs::new();
        for (request, tensor) in found.iter() {
            if tensor.track_op() {
                let request = request.to_string();
                return Err(Error::TeacherTrains { request });
            }
            let tensor = match request {
                Request::Logits(_) => self.columns.apply(tensor)?,
                Request::Map { .. } | Request::Prefix { .. } => tensor.clone(),
            };
            answers.insert(*request, tensor);
        }
        Ok(answers)
    }
}

/// The error of an output that is not finite, if it is not. A sum overflows only where the values mean nothing either.
pub(super) fn check_finite(request: &Request, tensor: &Tensor) -> Result<()> {
    let sum = tensor.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
    if sum.is_finite() {
        return Ok(());
    }
    Err(Error::TeacherNotFinite {
        request: request.to_string(),
    })
}

impl Teacher for FrozenTeacher {
    fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    fn outputs(&self, batch: &Batch, requests: &BTreeSet<Request>) -> Result<Outputs> {
        let images = self.render.render(batch, &self.device)?;
        self.on_images(&images, requests)
    }
}

impl fmt::Debug for FrozenTeacher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrozenTeacher")
            .field("model", self.info())
            .field("render", &self.render)
            .field("columns", &self.columns)
            .finish()
    }
}
