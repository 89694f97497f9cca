//! Which parameters a loss has: whatever it asks for while it is built.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

/// Passes requests for parameters on, and keeps their names.
pub(crate) struct Recorder<'a> {
    params: VarBuilder<'a>,
    names: Arc<Mutex<BTreeSet<String>>>,
}

impl<'a> Recorder<'a> {
    /// Parameters from `params`, below its path.
    pub fn new(params: VarBuilder<'a>) -> Self {
        let names = Arc::default();
        Self { params, names }
    }

    /// A builder that takes parameters through this recorder.
    pub fn params(&self) -> VarBuilder<'a> {
        let backend = Self {
            params: self.params.clone(),
            names: self.names.clone(),
        };
        let (dtype, device) = (self.params.dtype(), self.params.device().clone());
        VarBuilder::from_backend(Box::new(backend), dtype, device)
    }

    /// The full names of the parameters taken so far, in order.
    pub fn names(&self) -> Vec<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().cloned().collect()
    }

    fn record(&self, name: &str) {
        let prefix = self.params.prefix();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(format!("{prefix}.{name}"));
    }
}

impl SimpleBackend for Recorder<'_> {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        _: &Device,
    ) -> Result<Tensor> {
        self.record(name);
        self.params.get_with_hints_dtype(shape, name, init, dtype)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, _: &Device) -> Result<Tensor> {
        self.record(name);
        self.params.get_unchecked_dtype(name, dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.params.contains_tensor(name)
    }
}
