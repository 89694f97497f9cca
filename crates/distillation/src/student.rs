//! The model that is trained.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use spectralkd_base::random::Stream;
use spectralkd_datasets::Render;
use spectralkd_losses::{Loss, Objectives, Pair, Shapes};
use spectralkd_models::{ModelConfig, VisionModel};
use spectralkd_nn::Params;

use crate::error::Result;
use crate::shapes::shapes;

/// Before the names of parameters that belong to losses: "losses.fitnets.2-5.weight".
pub const LOSS_PARAMETERS: &str = "losses";

/// A model in training, the parameters that belong to it, and how views become its images.
pub struct Student {
    /// The model.
    pub model: Box<dyn VisionModel>,
    /// Its sizes, which name the parameters without a gradient; none for a model of another kind.
    pub config: Option<ModelConfig>,
    /// From views to its images.
    pub render: Render,
    params: Params,
    init: Stream,
    place: (Device, DType),
}

impl Student {
    /// A model on the CPU with first values drawn from `seed`, each keyed by its name; or with these `weights`, all of
    /// them.
    ///
    /// # Errors
    /// Sizes that no model can have; weights that are not this model's.
    pub fn new(
        config: &ModelConfig,
        weights: Option<&BTreeMap<String, Tensor>>,
        render: Render,
        seed: u64,
    ) -> Result<Self> {
        Self::new_on(&Device::Cpu, config, weights, render, seed)
    }

    /// As [`Self::new`], on another device.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_on(
        device: &Device,
        config: &ModelConfig,
        weights: Option<&BTreeMap<String, Tensor>>,
        render: Render,
        seed: u64,
    ) -> Result<Self> {
        let build = |vb| Ok(config.build(vb)?);
        let mut student = Self::made_on((device, DType::F32), render, seed, build)?;
        student.config = Some(config.clone());
        if let Some(weights) = weights {
            student.params.set(weights)?;
        }
        Ok(student)
    }

    /// A model of another kind, made on parameters that `build` asks of its builder: f32, on the CPU.
    ///
    /// # Errors
    /// What `build` says.
    pub fn made(
        render: Render,
        seed: u64,
        build: impl FnOnce(candle_nn::VarBuilder<'static>) -> Result<Box<dyn VisionModel>>,
    ) -> Result<Self> {
        Self::made_on((&Device::Cpu, DType::F32), render, seed, build)
    }

    /// As [`Self::made`], on a device of one's choice and in another type of floats; its images are to be of that type.
    ///
    /// # Errors
    /// What `build` says.
    pub fn made_on(
        (device, dtype): (&Device, DType),
        render: Render,
        seed: u64,
        build: impl FnOnce(candle_nn::VarBuilder<'static>) -> Result<Box<dyn VisionModel>>,
    ) -> Result<Self> {
        let (params, init) = (Params::new(), Stream::new(seed, "initialisation"));
        let model = build(params.builder(&init, dtype, device))?;
        Ok(Self {
            model,
            config: None,
            render,
            params,
            init,
            place: (device.clone(), dtype),
        })
    }

    /// Where its parameters lie, and where its images are to be.
    pub fn device(&self) -> &Device {
        &self.place.0
    }

    /// The losses of this student, whose own parameters join the student's under [`LOSS_PARAMETERS`]. `ratio` gives the
    /// spectral loss over the plain MSE at pairs of layers, for the losses that are weighted with it.
    ///
    /// # Errors
    /// A loss that cannot be computed between these models: the message says why.
    pub fn objectives(
        &self,
        losses: &[Loss],
        teacher: Option<&Shapes>,
        ratio: &dyn Fn(&[Pair]) -> spectralkd_losses::Result<f64>,
    ) -> Result<Objectives> {
        let (device, dtype) = &self.place;
        let vb = self.params.builder(&self.init, *dtype, device);
        let own = shapes(self.model.info());
        Ok(Objectives::build(losses, &own, teacher, &vb, ratio)?)
    }

    /// All that is trained, by name: the model's parameters, and those of its losses.
    pub fn trainable(&self) -> BTreeMap<String, Var> {
        self.params.vars()
    }

    /// Of a set of tensors by name those that belong to the model.
    pub fn of_model(tensors: &BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
        let own = |name: &str| !name.starts_with(&format!("{LOSS_PARAMETERS}."));
        let own = tensors.iter().filter(|(name, _)| own(name));
        own.map(|(name, tensor)| (name.clone(), tensor.clone()))
            .collect()
    }
}
