//! AdamW, as PyTorch computes it, with a weight decay of its own for every parameter.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::kernels::{self, FirstMoment, SecondMoment, Update};

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

/// What AdamW keeps for one parameter.
struct Slot {
    var: Var,
    decay: f64,
    /// Updates so far: PyTorch counts them per parameter too.
    steps: u64,
    first: Tensor,
    second: Tensor,
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
        let hyper = self.hyper;
        let mut work: Vec<(&String, &mut Slot, &Tensor)> = self
            .slots
            .iter_mut()
            .filter_map(|(name, slot)| gradients.get(name).map(|g| (name, slot, g)))
            .collect();
        let update = |(name, slot, gradient): &mut (&String, &mut Slot, &Tensor)| {
            let plan = slot.plan(&hyper, lr, scale);
            if kernels::supports(&slot.var) {
                slot.fused(gradient, &plan)
            } else {
                slot.composed(gradient, &plan)
            }
            .map_err(Error::tensor(format!("updating `{name}`")))
        };
        if work.iter().all(|(_, slot, _)| kernels::supports(&slot.var)) {
            work.par_iter_mut().try_for_each(update)
        } else {
            // Another device has its own parallelism, and its own order of things.
            work.iter_mut().try_for_each(update)
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

/// The numbers of one update of one parameter.
struct Plan {
    first: FirstMoment,
    second: SecondMoment,
    update: Update,
}

impl Slot {
    /// Counts an update and works out its numbers.
    fn plan(&mut self, hyper: &Hyper, lr: f64, scale: f64) -> Plan {
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
    fn fused(&mut self, gradient: &Tensor, plan: &Plan) -> candle_core::Result<()> {
        let gradient = gradient.contiguous()?;
        self.first.inplace_op2(&gradient, &plan.first)?;
        self.second.inplace_op2(&gradient, &plan.second)?;
        self.var
            .inplace_op3(&self.first, &self.second, &plan.update)
    }

    /// The same update out of candle operations, for any device and type.
    fn composed(&mut self, gradient: &Tensor, plan: &Plan) -> candle_core::Result<()> {
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

/// How many numbers the variables hold in all.
pub(crate) fn count(vars: &BTreeMap<String, Var>) -> u64 {
    vars.values().map(|v| v.elem_count() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::DType;

    fn hyper() -> Hyper {
        Hyper {
            betas: [0.9, 0.99],
            eps: 1e-8,
            weight_decay: 0.1,
        }
    }

    fn wave(n: usize, phase: f64) -> Vec<f32> {
        (0..n)
            .map(|i| ((i as f64 * 0.37 + phase).sin() * 2.0) as f32)
            .collect()
    }

    /// A slot of `n` numbers in the middle of a training, driven by the given update.
    fn drive(n: usize, composed: bool) -> Vec<f32> {
        let var = Var::from_vec(wave(n, 0.0), n, &Device::Cpu).unwrap();
        let zeros = || Tensor::zeros(n, DType::F32, &Device::Cpu).unwrap();
        let mut slot = Slot {
            var: var.clone(),
            decay: 0.1,
            steps: 0,
            first: zeros(),
            second: zeros(),
        };
        for step in 0..20 {
            let g = Tensor::from_vec(wave(n, f64::from(step)), n, &Device::Cpu).unwrap();
            let plan = slot.plan(&hyper(), 0.01, 0.5);
            if composed {
                slot.composed(&g, &plan).unwrap();
            } else {
                slot.fused(&g, &plan).unwrap();
            }
        }
        var.to_vec1().unwrap()
    }

    #[test]
    fn the_composed_update_agrees_with_the_fused_one() {
        for (a, b) in drive(1000, false).iter().zip(drive(1000, true)) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn the_same_bits_over_any_number_of_threads() {
        let n = 100_003; // several chunks, the last one ragged
        let on = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap()
                .install(|| drive(n, false))
        };
        let one = on(1);
        for threads in [2, 3, 7] {
            let many = on(threads);
            assert!(
                one.iter()
                    .zip(&many)
                    .all(|(a, b)| a.to_bits() == b.to_bits())
            );
        }
    }

    #[test]
    fn a_strided_gradient_is_read_in_its_own_order() {
        let var = Var::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        let vars = BTreeMap::from([("w".to_string(), var.clone())]);
        let mut adamw = AdamW::new(&vars, hyper(), |_, _| false).unwrap();
        let columns = Tensor::new(&[[1f32, -1.0], [1.0, -1.0], [1.0, -1.0]], &Device::Cpu).unwrap();
        let gradients = BTreeMap::from([("w".to_string(), columns.t().unwrap())]);
        adamw.step(&gradients, 1.0, 1.0).unwrap();
        assert_eq!(
            var.to_vec2::<f32>().unwrap(),
            [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]
        );
    }

    #[test]
    fn a_parameter_without_gradient_stays() {
        let vars: BTreeMap<String, Var> = ["a", "b"]
            .map(|name| {
                let var = Var::ones((2, 2), DType::F64, &Device::Cpu).unwrap();
                (name.to_string(), var)
            })
            .into();
        let mut adamw = AdamW::new(&vars, hyper(), |_, _| true).unwrap();
        let gradient = Tensor::ones((2, 2), DType::F64, &Device::Cpu).unwrap();
        adamw
            .step(&BTreeMap::from([("b".to_string(), gradient)]), 0.1, 1.0)
            .unwrap();
        assert_eq!(vars["a"].to_vec2::<f64>().unwrap(), [[1.0; 2]; 2]);
        assert!(vars["b"].to_vec2::<f64>().unwrap()[0][0] < 0.9);
    }

    #[test]
    fn wrong_gradients_and_shared_variables_are_named() {
        let var = Var::ones((2, 2), DType::F32, &Device::Cpu).unwrap();
        let twice = BTreeMap::from([
            ("first".to_string(), var.clone()),
            ("second".to_string(), var.clone()),
        ]);
        let error = AdamW::new(&twice, hyper(), |_, _| true).err().unwrap();
        assert!(
            error.to_string().contains("`first` and `second`"),
            "{error}"
        );

        let vars = BTreeMap::from([("w".to_string(), var.clone())]);
        let mut adamw = AdamW::new(&vars, hyper(), |_, _| true).unwrap();
        let flat = Tensor::ones(4, DType::F32, &Device::Cpu).unwrap();
        for (name, said) in [("w", "gradient of `w`"), ("v", "`v`, which is not trained")] {
            let gradients = BTreeMap::from([(name.to_string(), flat.clone())]);
            let error = adamw.step(&gradients, 0.1, 1.0).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
        assert_eq!(var.to_vec2::<f32>().unwrap(), [[1.0; 2]; 2]);
    }
}
