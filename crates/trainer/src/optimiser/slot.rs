//! What is kept for one parameter, and its update: in place on the CPU, composed elsewhere.

use candle_core::{Tensor, Var};

use super::Hyper;
use crate::kernels::{FirstMoment, SecondMoment, Update};

/// What AdamW keeps for one parameter.
pub(super) struct Slot {
    pub var: Var,
    pub decay: f64,
    /// Updates so far: PyTorch counts them per parameter too.
    pub steps: u64,
    pub first: Tensor,
    pub second: Tensor,
}

/// The numbers of one update of one parameter.
pub(super) struct Plan {
    first: FirstMoment,
    second: SecondMoment,
    update: Update,
}

impl Slot {
    /// Counts an update and works out its numbers.
    pub(super) fn plan(&mut self, hyper: &Hyper, lr: f64, scale: f64) -> Plan {
        self.steps += 1;
        let [beta1, beta2] = hyper.betas;
        let t = self.steps as f64;
        Plan {
            first: FirstMoment {
                weight: 1.0 - beta1,
                scale,
            },
            second: SecondMoment { beta2, scale },
            update: Update {
                keep: 1.0 - lr * self.decay,
                step: lr / (1.0 - beta1.powf(t)),
                correction: (1.0 - beta2.powf(t)).sqrt(),
                eps: hyper.eps,
            },
        }
    }

    /// The update in place, for floats on the CPU.
    pub(super) fn fused(&mut self, gradient: &Tensor, plan: &Plan) -> candle_core::Result<()> {
        let gradient = gradient.contiguous()?;
        self.first.inplace_op2(&gradient, &plan.first)?;
        self.second.inplace_op2(&gradient, &plan.second)?;
        self.var
            .inplace_op3(&self.first, &self.second, &plan.update)
    }

    /// The same update out of candle operations, for any device and type.
    pub(super) fn composed(&mut self, gradient: &Tensor, plan: &Plan) -> candle_core::Result<()> {
        let Plan {
            first,
            second,
            update,
        } = plan;
        let gradient = (gradient.detach() * first.scale)?;
        self.first = (&self.first + ((&gradient - &self.first)? * first.weight)?)?;
        self.second = ((&self.second * second.beta2)? + (gradient.sqr()? * (1.0 - second.beta2))?)?;
        let denominator = ((self.second.sqrt()? / update.correction)? + update.eps)?;
        let change = ((&self.first * update.step)? / denominator)?;
        let kept = (self.var.as_detached_tensor() * update.keep)?;
        self.var.set(&(kept - change)?)
    }
}
