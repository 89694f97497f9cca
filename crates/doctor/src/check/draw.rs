//! The numbers of a case: the same on every device and in every type, but for their last rounding.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use spectralkd_base::random::Stream;
use spectralkd_nn::params;

use super::case::{Tensors, gradients, host};
use super::place::Place;
use crate::error::{Error, Result};

/// The seed of all numbers.
pub(super) const SEED: u64 = 11;
/// What is added to the first values of parameters, so that no bias is zero and no norm's weight one.
const NOISE: f64 = 0.05;

/// Normal numbers of this name, f32 on the CPU.
pub(super) fn normal(name: &str, shape: &[usize], scale: f64) -> Result<Tensor> {
    let mut stream = Stream::new(SEED, name);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|_| (scale * stream.normal()) as f32)
        .collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Classes below `classes`, u32.
pub(super) fn labels(batch: usize, classes: usize, device: &Device) -> Result<Tensor> {
    let label = |i: usize| (i * 7 % classes) as u32;
    let labels: Vec<u32> = (0..batch).map(label).collect();
    Ok(Tensor::from_vec(labels, batch, device)?)
}

/// What one run of a case draws, and the variables among it.
pub(super) struct Draw<'a> {
    pub(super) place: &'a Place,
    vars: Vars,
}

impl<'a> Draw<'a> {
    pub(super) fn new(place: &'a Place) -> Self {
        let vars = Vars::default();
        Self { place, vars }
    }

    /// A constant.
    pub(super) fn constant(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.of_type(name, shape, self.place.dtype)
    }

    /// A constant that halves do not touch.
    pub(super) fn wide(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.of_type(name, shape, self.place.wide())
    }

    fn of_type(&self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let tensor = normal(name, shape, 1.0)?;
        Ok(tensor.to_device(&self.place.device)?.to_dtype(dtype)?)
    }

    /// A variable, whose gradient is compared.
    pub(super) fn input(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let var = Var::from_tensor(&self.constant(name, shape)?)?;
        self.vars.lock().insert(name.to_owned(), var.clone());
        Ok(var.as_tensor().clone())
    }

    /// Parameters, whose gradients are compared.
    pub(super) fn vb(&self) -> VarBuilder<'static> {
        self.builder(self.place.dtype)
    }

    /// As [`Self::vb`], for parameters that halves do not touch.
    pub(super) fn wide_vb(&self) -> VarBuilder<'static> {
        self.builder(self.place.wide())
    }

    fn builder(&self, dtype: DType) -> VarBuilder<'static> {
        let backend = Box::new(self.vars.clone());
        VarBuilder::from_backend(backend, dtype, self.place.device.clone())
    }

    /// The variables made so far.
    pub(super) fn vars(&self) -> BTreeMap<String, Var> {
        self.vars.lock().clone()
    }

    /// Everything that can be compared of these results: they themselves, and the gradients of the sum of their
    /// products with fixed numbers.
    pub(super) fn finish(&self, outputs: Vec<(&str, Tensor)>) -> Result<Tensors> {
        let (mut all, mut total) = (Tensors::new(), None::<Tensor>);
        for (name, output) in &outputs {
            let weights = self.wide(&format!("cotangent {name}"), output.dims())?;
            let term = (output.to_dtype(weights.dtype())? * weights)?.sum_all()?;
            total = Some(match total {
                None => term,
                Some(total) => (total + term)?,
            });
            all.insert(format!("out {name}"), Some(host(output)?));
        }
        let store = total.ok_or(Error::Empty)?.backward()?;
        gradients(&self.vars(), &store, &mut all)?;
        Ok(all)
    }
}

/// First values of a model's or a layer's parameter, f32 on the CPU: as it is drawn for training, and some noise.
fn parameter(name: &str, shape: &Shape, init: Init) -> Result<Tensor> {
    let cpu = Device::Cpu;
    let stream = Stream::new(SEED, "parameters").named(name);
    let first = params::draw(init, shape, stream, DType::F32, &cpu)?;
    Ok((first + normal(&format!("noise {name}"), shape.dims(), NOISE)?)?)
}

/// Variables by name, made when they are asked for.
#[derive(Clone, Default)]
struct Vars(Arc<Mutex<BTreeMap<String, Var>>>);

impl Vars {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Var>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimpleBackend for Vars {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        if let Some(var) = self.lock().get(name) {
            return Ok(var.as_tensor().clone());
        }
        let value = parameter(name, &shape, init).map_err(candle_core::Error::wrap)?;
        let var = Var::from_tensor(&value.to_device(device)?.to_dtype(dtype)?)?;
        self.lock().insert(name.to_owned(), var.clone());
        Ok(var.as_tensor().clone())
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        let vars = self.lock();
        let var = vars.get(name).map(|var| var.as_tensor().clone());
        var.ok_or_else(|| candle_core::Error::Msg(format!("no parameter {name}")).bt())
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
