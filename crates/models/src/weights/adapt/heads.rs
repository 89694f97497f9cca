//! First values of single parameters, the same that a new model would draw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use spectralkd_base::random::Stream;
use spectralkd_nn::params;

use crate::{ModelConfig, Result};

/// The parameters `wanted`, f32, as [`spectralkd_nn::Params::builder`] draws them from `init` for a model of these
/// sizes; the others cost nothing.
pub(in super::super) fn draw(
    config: &ModelConfig,
    wanted: BTreeSet<String>,
    init: &Stream,
) -> Result<BTreeMap<String, Tensor>> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let drawn = Arc::new(Mutex::new(BTreeMap::new()));
    let backend = Drawing {
        wanted,
        init: init.clone(),
        drawn: Arc::clone(&drawn),
    };
    let vb = VarBuilder::from_backend(Box::new(backend), DType::F32, Device::Cpu);
    config.build(vb)?;
    let drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(drawn.clone())
}

/// Answers each request with one zero that is repeated in all places, and draws what is wanted on the way.
struct Drawing {
    wanted: BTreeSet<String>,
    init: Stream,
    drawn: Arc<Mutex<BTreeMap<String, Tensor>>>,
}

impl SimpleBackend for Drawing {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        if self.wanted.contains(name) {
            let first = params::draw(init, &shape, self.init.named(name), dtype, device)?;
            let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
            drawn.insert(name.to_string(), first);
        }
        // A variable, so that no layer prepares anything for weights that never change.
        Var::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        Err(candle_core::Error::CannotFindTensor {
            path: name.to_string(),
        })
    }

    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}
