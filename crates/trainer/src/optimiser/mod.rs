//! AdamW, as PyTorch computes it, with a weight decay of its own for every parameter.

mod slot;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::kernels;

use slot::{Plan, Slot};

/// AdamW's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    /// Decay rates of the first and second moment, each in [0, 1).
    pub betas: [f64; 2],
    /// Summand in the denominator.
    pub eps: f64,
    /// Decoupled weight decay of the parameters that decay.
    pub weight_decay: f64,
}

/// AdamW over a set of named variables.
///
/// The update of `torch.optim.AdamW` (decoupled decay first, then Adam with bias correction),
/// in the arithmetic of the parameter's type:
///
/// ```text
/// p <- p (1 - lr decay)
/// m <- m + (1 - beta1) (g - m)            v <- beta2 v + (1 - beta2) g^2
/// p <- p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
/// ```
///
/// On the CPU (f32 and f64) it runs in place, in parallel over parameters, and gives the same
/// bits over any number of threads. Elsewhere it is composed of candle operations.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::collections::BTreeMap;
/// use candle_core::{Device, Tensor, Var};
/// use spectralkd_trainer::{AdamW, Hyper};
///
/// let x = Var::new(&[4.0f32, -2.0], &Device::Cpu)?;
/// let vars = BTreeMap::from([("x".to_string(), x.clone())]);
/// let hyper = Hyper { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0 };
/// let mut optimiser = AdamW::new(&vars, hyper, |_, _| true)?;
///
/// let gradients = BTreeMap::from([("x".to_string(), Tensor::new(&[3.0f32, -5.0], &Device::Cpu)?)]);
/// optimiser.step(&gradients, 0.5, 1.0)?;
/// // The first step is the learning rate long, whatever the gradient.
/// assert_eq!(x.to_vec1::<f32>()?, [3.5, -1.5]);
/// # Ok(()) }
/// ```
pub struct AdamW {
    hyper: Hyper,
    slots: BTreeMap<String, Slot>,
}

/// Prefixes of the optimiser's tensors in a checkpoint; PyTorch's names for them.
const FIRST: &str = "exp_avg/";
const SECOND: &str = "exp_avg_sq/";
const STEPS: &str = "steps/";

impl AdamW {
    /// An optimiser of these variables, with moments of zero. `decays(name, rank)` says which
    /// parameters get the weight decay ([`crate::decays`] is timm's rule).
    ///
    /// # Errors
    /// [`Error::Task`] if two names stand for one variable, or a variable is not contiguous or
    /// of no float type; [`Error::Tensor`] if the moments cannot be made.
    pub fn new(
        vars: &BTreeMap<String, Var>,
        hyper: Hyper,
        decays: impl Fn(&str, usize) -> bool,
    ) -> Result<Self> {
        let mut owners = BTreeMap::new();
        let mut slots = BTreeMap::new();
        for (name, var) in vars {
            if let Some(other) = owners.insert(format!("{:?}", var.id()), name) {
                return Err(Error::Task(format!(
                    "`{other}` and `{name}` are one variable; give it one name"
                )));
            }
            if !var.dtype().is_float() || !var.is_contiguous() {
                return Err(Error::Task(format!(
                    "`{name}` ({:?}, {:?}) must be a contiguous tensor of floats",
                    var.dtype(),
                    var.shape()
                )));
            }
            let zeros = || {
                Tensor::zeros(var.shape(), var.dtype(), var.device())
                    .map_err(Error::tensor(format!("making the moments of `{name}`")))
            };
            let slot = Slot {
                var: var.clone(),
                decay: if decays(name, var.rank()) {
                    hyper.weight_decay
                } else {
                    0.0
                },
                steps: 0,
                first: zeros()?,
                second: zeros()?,
            };
            slots.insert(name.clone(), slot);
        }
        Ok(Self { hyper, slots })
    }

    /// One update at learning rate `lr`, with every gradient times `scale` (the factor of
    /// gradient clipping, 1 without). A parameter without a gradient stays as it is, decay
    /// included, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Task`] for a gradient of an unknown name or of another shape or type than its
    /// parameter, before anything has changed; [`Error::Tensor`] if an operation fails.
    pub fn step(
        &mut self,
        gradients: &BTreeMap<String, Tensor>,
        lr: f64,
        scale: f64,
    ) -> Result<()> {
        self.check(gradients)?;
        self.update(gradients, lr, scale, |slot, gradient, plan| {
            if kernels::supports(&slot.var) {
                slot.fused(gradient, plan)
            } else {
                slot.composed(gradient, plan)
            }
        })
    }

    /// As [`AdamW::step`], where only the device knows yet whether the update is to be made and how far: a guard that
    /// says no leaves every number as it is. The host waits for nothing.
    ///
    /// # Errors
    /// As [`AdamW::step`].
    pub fn guarded_step(
        &mut self,
        gradients: &BTreeMap<String, Tensor>,
        lr: f64,
        guard: &Guard,
    ) -> Result<()> {
        self.check(gradients)?;
        let known = guard
            .on_cpu()
            .map_err(Error::tensor("reading the factor of clipping"))?;
        let fused = self.slots.values().all(|slot| kernels::supports(&slot.var));
        match known {
            Some((false, _)) if fused => Ok(()),
            Some((true, scale)) if fused => self.step(gradients, lr, scale),
            _ => self.update(gradients, lr, 1.0, |slot, gradient, plan| {
                slot.guarded(gradient, plan, guard)
            }),
        }
    }

    /// Whether these are gradients of these parameters.
    fn check(&self, gradients: &BTreeMap<String, Tensor>) -> Result<()> {
        for (name, gradient) in gradients {
            match self.slots.get(name) {
                None => {
                    return Err(Error::Task(format!(
                        "a gradient for `{name}`, which is not trained"
                    )));
                }
                Some(Slot { var, .. })
                    if var.shape() != gradient.shape() || var.dtype() != gradient.dtype() =>
                {
                    return Err(Error::Task(format!(
                        "the gradient of `{name}` is {:?} {:?}, the parameter {:?} {:?}",
                        gradient.dtype(),
                        gradient.shape(),
                        var.dtype(),
                        var.shape()
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Updates every parameter that has a gradient.
    fn update(
        &mut self,
        gradients: &BTreeMap<String, Tensor>,
        lr: f64,
        scale: f64,
        apply: impl Fn(&mut Slot, &Tensor, &Plan) -> candle_core::Result<()> + Sync,
    ) -> Result<()> {
        let hyper = self.hyper;
        let mut work: Vec<(&String, &mut Slot, &Tensor)> = self
            .slots
            .iter_mut()
            .filter_map(|(name, slot)| gradients.get(name).map(|g| (name, slot, g)))
            .collect();
        let update = |(name, slot, gradient): &mut (&String, &mut Slot, &Tensor)| {
            let plan = slot.plan(&hyper, lr, scale);
            apply(slot, gradient, &plan).map_err(Error::tensor(format!("updating `{name}`")))
        };
        if work.iter().all(|(_, slot, _)| kernels::supports(&slot.var)) {
            work.par_iter_mut().try_for_each(update)
        } else {
            // Another device has its own parallelism, and its own order of things.
            work.iter_mut().try_for_each(update)
        }
    }

    /// How many updates each parameter has had, in the order of the names.
    pub(crate) fn counts(&self) -> Vec<u64> {
        self.slots.values().map(|slot| slot.steps).collect()
    }

    /// Takes back updates that a guard kept from being made: the counts that were before them.
    pub(crate) fn recount(&mut self, counts: &[u64]) {
        for (slot, &steps) in self.slots.values_mut().zip(counts) {
            slot.steps = steps;
        }
    }

    /// The whole state as tensors, for a checkpoint.
    pub(crate) fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut all = BTreeMap::new();
        for (name, slot) in &self.slots {
            let steps = Tensor::new(slot.steps as i64, &Device::Cpu)
                .map_err(Error::tensor(format!("saving the step count of `{name}`")))?;
            all.insert(format!("{FIRST}{name}"), slot.first.clone());
            all.insert(format!("{SECOND}{name}"), slot.second.clone());
            all.insert(format!("{STEPS}{name}"), steps);
        }
        Ok(all)
    }

    /// Takes over a state made by [`AdamW::tensors`], whose names, shapes and types were compared
    /// with this one's.
    pub(crate) fn restore(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        for (name, slot) in &mut self.slots {
            let take = |prefix: &str| {
                tensors
                    .get(&format!("{prefix}{name}"))
                    .ok_or_else(|| Error::Task(format!("no {prefix}{name} in the checkpoint")))
            };
            let failed = format!("restoring the optimiser's state of `{name}`");
            let device = slot.var.device().clone();
            let load = |t: &Tensor| t.to_device(&device).and_then(|t| t.copy());
            slot.first = load(take(FIRST)?).map_err(Error::tensor(&failed))?;
            slot.second = load(take(SECOND)?).map_err(Error::tensor(&failed))?;
            let steps: i64 = take(STEPS)?.to_scalar().map_err(Error::tensor(&failed))?;
            slot.steps = u64::try_from(steps)
                .map_err(|_| Error::Task(format!("`{name}` has made {steps} updates")))?;
        }
        Ok(())
    }
}

/// How many numbers the variables hold in all.
pub(crate) fn count(vars: &BTreeMap<String, Var>) -> u64 {
    vars.values().map(|v| v.elem_count() as u64).sum()
}

#[cfg(test)]
mod tests;
