//! What is kept for one parameter, and its update: in place on the CPU, composed elsewhere.

use candle_core::{Tensor, Var};

use super::Hyper;
use crate::guard::Guard;
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
        let next = self.next(gradient, plan)?;
        (self.first, self.second) = (next.first, next.second);
        self.var.set(&next.var)
    }

    /// As [`Slot::composed`], if the guard says so; else everything stays as it is, to the bit.
    pub(super) fn guarded(
        &mut self,
        gradient: &Tensor,
        plan: &Plan,
        guard: &Guard,
    ) -> candle_core::Result<()> {
        let next = self.next(&guard.scaled(gradient)?, plan)?;
        let var = guard.choose(&next.var, &self.var.as_detached_tensor())?;
        self.first = guard.choose(&next.first, &self.first)?;
        self.second = guard.choose(&next.second, &self.second)?;
        self.var.set(&var)
    }

    /// What comes of the update.
    fn next(&self, gradient: &Tensor, plan: &Plan) -> candle_core::Result<Next> {
        let Plan {
            first,
            second,
            update,
        } = plan;
        let gradient = (gradient.detach() * first.scale)?;
        let m = (&self.first + ((&gradient - &self.first)? * first.weight)?)?;
        let v = ((&self.second * second.beta2)? + (gradient.sqr()? * (1.0 - second.beta2))?)?;
        let denominator = ((v.sqrt()? / update.correction)? + update.eps)?;
        let change = ((&m * update.step)? / denominator)?;
        let kept = (self.var.as_detached_tensor() * update.keep)?;
        Ok(Next {
            var: (kept - change)?,
            first: m,
            second: v,
        })
    }
}

/// The tensors of a slot after an update.
struct Next {
    var: Tensor,
    first: Tensor,
    second: Tensor,
}
