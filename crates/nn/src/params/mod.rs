//! The parameters of a model: made anew from a seed, or read from loaded weights.

mod loaded;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::init::NormalOrUniform;
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use spectralkd_base::random::Stream;

use crate::error::{Error, Result};

pub use loaded::{frozen, frozen_bf16, frozen_once};

/// The trainable parameters of a model by name, in the order of their names.
///
/// Cloning copies the handle: both see the same parameters.
///
/// ```
/// use candle_core::{DType, Device};
/// use spectralkd_base::random::Stream;
/// use spectralkd_nn::{Linear, Params};
///
/// let params = Params::new();
/// let vb = params.builder(&Stream::new(7, "init"), DType::F32, &Device::Cpu);
/// let head = Linear::new(48, 10, true, vb.pp("head"))?;
/// let names: Vec<String> = params.vars().into_keys().collect();
/// assert_eq!(names, ["head.bias", "head.weight"]);
/// # drop(head);
/// # Ok::<(), spectralkd_nn::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Params {
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Params {
    /// No parameters yet; building layers with [`Params::builder`] adds theirs.
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder for candle's `new(..., vb)` constructors. The first layer to ask for a
    /// name makes the parameter, drawn from the child of `init` of that name, so that a
    /// parameter's first value depends on the seed and its name alone; later layers that
    /// ask for it get the same one, if the shapes agree.
    pub fn builder(&self, init: &Stream, dtype: DType, device: &Device) -> VarBuilder<'static> {
        let backend = Seeded {
            params: self.clone(),
            init: init.clone(),
        };
        VarBuilder::from_backend(Box::new(backend), dtype, device.clone())
    }

    /// The parameters by name. A `Var` is a handle: setting it changes the model.
    pub fn vars(&self) -> BTreeMap<String, Var> {
        self.lock().clone()
    }

    /// The parameters' present values by name, without gradients: for saving. They share
    /// the variables' memory, so a later optimiser step shows in them; copy to keep.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let vars = self.lock();
        vars.iter()
            .map(|(name, var)| (name.clone(), var.as_detached_tensor()))
            .collect()
    }

    /// The number of parameters (numbers, not tensors).
    pub fn count(&self) -> u64 {
        self.lock().values().map(|v| v.elem_count() as u64).sum()
    }

    /// Sets every parameter to the value of its name in `values`. Other values are
    /// ignored. Fails before anything is changed if a name is missing or a shape differs.
    pub fn set(&self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        let vars = self.lock();
        for (name, var) in vars.iter() {
            find(values, name, var.shape())?;
        }
        for (name, var) in vars.iter() {
            let value = find(values, name, var.shape())?;
            var.set(&value.to_device(var.device())?.to_dtype(var.dtype())?)?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Var>> {
        // The map is valid between any two of its operations, so a panic elsewhere that
        // poisoned the lock has not spoilt it.
        self.vars.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tensor of this shape drawn by `init` from `stream`, element by element in row-major
/// order, in f64, then rounded to `dtype`.
pub fn draw(
    init: Init,
    shape: &Shape,
    mut stream: Stream,
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    let count = shape.elem_count();
    let mut uniform = |low: f64, high: f64| -> Vec<f64> {
        let stream = &mut stream;
        (0..count)
            .map(|_| low + (high - low) * stream.uniform())
            .collect()
    };
    let values = match init {
        Init::Const(value) => vec![value; count],
        Init::Uniform { lo, up } => uniform(lo, up),
        Init::Randn { mean, stdev } => normal(&mut stream, count, mean, stdev),
        Init::Kaiming {
            dist,
            fan,
            non_linearity,
        } => {
            let stdev = non_linearity.gain() / (fan.for_shape(shape).max(1) as f64).sqrt();
            match dist {
                NormalOrUniform::Normal => normal(&mut stream, count, 0.0, stdev),
                NormalOrUniform::Uniform => uniform(-stdev * 3f64.sqrt(), stdev * 3f64.sqrt()),
            }
        }
    };
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?
        .to_dtype(dtype)?
        .to_device(device)?)
}

fn normal(stream: &mut Stream, count: usize, mean: f64, stdev: f64) -> Vec<f64> {
    (0..count).map(|_| mean + stdev * stream.normal()).collect()
}

/// The tensor `name`, if it is there and of this shape.
fn find<'a>(
    tensors: &'a BTreeMap<String, Tensor>,
    name: &str,
    shape: &Shape,
) -> Result<&'a Tensor> {
    let tensor = tensors.get(name).ok_or_else(|| missing(tensors, name))?;
    same_shape(name, shape, tensor)?;
    Ok(tensor)
}

fn missing<T>(tensors: &BTreeMap<String, T>, name: &str) -> Error {
    let common = |other: &str| {
        let pairs = name.bytes().zip(other.bytes());
        pairs.take_while(|(a, b)| a == b).count()
    };
    let nearest = tensors.keys().max_by_key(|other| common(other));
    Error::MissingParameter {
        name: name.to_string(),
        count: tensors.len(),
        nearest: nearest.cloned().unwrap_or_default(),
    }
}

fn same_shape(name: &str, expected: &Shape, tensor: &Tensor) -> Result<()> {
    if tensor.shape() == expected {
        return Ok(());
    }
    Err(Error::ParameterShape {
        name: name.to_string(),
        expected: expected.dims().to_vec(),
        got: tensor.dims().to_vec(),
    })
}

/// The backend of [`Params::builder`].
struct Seeded {
    params: Params,
    init: Stream,
}

impl SimpleBackend for Seeded {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let mut vars = self.params.lock();
        if let Some(var) = vars.get(name) {
            same_shape(name, &shape, var)?;
            return Ok(var.as_tensor().clone());
        }
        let first = draw(init, &shape, self.init.named(name), dtype, device)?;
        let var = Var::from_tensor(&first)?;
        let tensor = var.as_tensor().clone();
        vars.insert(name.to_string(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        let vars = self.params.lock();
        let var = vars.get(name).ok_or_else(|| missing(&vars, name))?;
        Ok(var.as_tensor().clone())
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.params.lock().contains_key(name)
    }
}
