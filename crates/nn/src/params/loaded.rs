//! Builders that serve loaded weights: no variables, no gradients.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use super::{find, missing};

/// A builder that hands out `weights` as they are: no variables, no gradients. A missing
/// name or another shape is an error with the name; initialisers are ignored.
pub fn frozen(
    weights: BTreeMap<String, Tensor>,
    dtype: DType,
    device: &Device,
) -> VarBuilder<'static> {
    VarBuilder::from_backend(Box::new(Frozen(weights)), dtype, device.clone())
}

/// As [`frozen`], but hands out each tensor once and then forgets it: while a model is made, its
/// layers bring weights into an order of their own one after the other, and no more than one of
/// them is in memory twice. Asked a second time for a name, it has no such parameter.
pub fn frozen_once(
    weights: BTreeMap<String, Tensor>,
    dtype: DType,
    device: &Device,
) -> VarBuilder<'static> {
    let backend = FrozenOnce::new(weights, false);
    VarBuilder::from_backend(Box::new(backend), dtype, device.clone())
}

/// As [`frozen_once`], in f32 but for the tensors of type bf16, which are handed out as they are:
/// [`Linear`](crate::Linear) and [`Mlp`](crate::Mlp) pack those for their bf16 products. No other
/// layer can use them.
pub fn frozen_bf16(weights: BTreeMap<String, Tensor>, device: &Device) -> VarBuilder<'static> {
    let backend = FrozenOnce::new(weights, true);
    VarBuilder::from_backend(Box::new(backend), DType::F32, device.clone())
}

/// The backend of [`frozen`].
struct Frozen(BTreeMap<String, Tensor>);

impl SimpleBackend for Frozen {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let tensor = find(&self.0, name, &shape)?.detach();
        tensor.to_device(device)?.to_dtype(dtype)
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let tensor = self.0.get(name).ok_or_else(|| missing(&self.0, name))?;
        tensor.detach().to_device(device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// The backend of [`frozen_once`] and [`frozen_bf16`].
struct FrozenOnce {
    weights: Mutex<BTreeMap<String, Tensor>>,
    /// Whether tensors of type bf16 remain what they are.
    bf16: bool,
}

impl FrozenOnce {
    fn new(weights: BTreeMap<String, Tensor>, bf16: bool) -> Self {
        let weights = Mutex::new(weights);
        Self { weights, bf16 }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Tensor>> {
        self.weights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimpleBackend for FrozenOnce {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        find(&self.lock(), name, &shape)?;
        self.get_unchecked(name, dtype, device)
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let mut weights = self.lock();
        let tensor = weights.remove(name);
        let tensor = tensor.ok_or_else(|| missing(&weights, name))?;
        let tensor = tensor.detach().to_device(device)?;
        if self.bf16 && tensor.dtype() == DType::BF16 {
            return Ok(tensor);
        }
        tensor.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }
}
