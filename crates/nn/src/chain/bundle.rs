//! Any number of parameters as one operand.
//!
//! An operation of candle's has three operands at most, and a chain has more parameters.
//! A [`Bundle`] stands for them as one number that depends on each: the operation reads
//! the parameters themselves, leaves their gradients in the bundle, and sends its operand
//! any gradient at all; on its way through the bundle each parameter is given its own.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};

use crate::kernels::storage::wanted;

/// Gradients on their way from an operation to the parameters.
#[derive(Clone, Default)]
pub(super) struct Gradients(Arc<Mutex<Vec<Option<Tensor>>>>);

impl Gradients {
    /// Leaves the gradient of every parameter, in their order.
    pub fn leave(&self, gradients: Vec<Option<Tensor>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = gradients;
    }

    fn take(&self, index: usize) -> Option<Tensor> {
        let mut gradients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gradients.get_mut(index).and_then(Option::take)
    }
}

/// Parameters as one operand.
pub(super) struct Bundle {
    /// The operand: a number, tracked if one of the parameters is.
    pub operand: Tensor,
    /// Where the operation leaves the gradients.
    pub gradients: Gradients,
}

impl Bundle {
    /// A bundle of `parameters`.
    pub fn new(parameters: &[Tensor]) -> Result<Self> {
        let gradients = Gradients::default();
        let mut operand = Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu)?;
        for (index, parameter) in parameters.iter().enumerate() {
            if parameter.track_op() {
                let gradients = gradients.clone();
                operand = operand.apply_op2(parameter, Node { gradients, index })?;
            }
        }
        Ok(Self { operand, gradients })
    }
}

/// The operand of the parameters so far, and one parameter more.
struct Node {
    gradients: Gradients,
    index: usize,
}

impl CustomOp2 for Node {
    fn name(&self) -> &'static str {
        "bundle"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), 1.into()))
    }

    fn bwd(
        &self,
        so_far: &Tensor,
        parameter: &Tensor,
        _: &Tensor,
        any: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = self.gradients.take(self.index);
        Ok((wanted(so_far, any.clone()), wanted(parameter, gradient)))
    }
}
