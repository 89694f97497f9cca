//! An exponential moving average of the weights.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::kernels::{self, Average};

/// The moving average of a set of variables: `e <- decay e + (1 - decay) w` after every update,
/// from a copy of the initial weights on, without warm-up (timm's `ModelEma`).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::collections::BTreeMap;
/// use candle_core::{Device, Tensor, Var};
/// use spectralkd_trainer::Ema;
///
/// let w = Var::new(&[0f32, 8.0], &Device::Cpu)?;
/// let mut ema = Ema::new(&BTreeMap::from([("w".to_string(), w.clone())]), 0.75)?;
/// w.set(&Tensor::new(&[4f32, 0.0], &Device::Cpu)?)?;
/// ema.update()?;
/// assert_eq!(ema.tensors()["w"].to_vec1::<f32>()?, [1.0, 6.0]);
/// # Ok(()) }
/// ```
pub struct Ema {
    decay: f64,
    vars: BTreeMap<String, Var>,
    averages: BTreeMap<String, Tensor>,
}

impl Ema {
    /// An average that starts at the variables' present values; `decay` in [0, 1].
    ///
    /// # Errors
    /// [`Error::Tensor`] if a variable cannot be copied.
    pub fn new(vars: &BTreeMap<String, Var>, decay: f64) -> Result<Self> {
        Ok(Self {
            decay,
            vars: vars.clone(),
            averages: copies(vars)?,
        })
    }

    /// Takes the variables' present values into the average.
    ///
    /// # Errors
    /// [`Error::Tensor`] with the name of the parameter whose average failed.
    pub fn update(&mut self) -> Result<()> {
        self.each(|average, var, op| {
            if kernels::supports(var) {
                average.inplace_op2(var.as_tensor(), op)
            } else {
                *average = composed(average, var, op)?;
                Ok(())
            }
        })
    }

    /// As [`Ema::update`], where only the device knows yet whether the step was made.
    ///
    /// # Errors
    /// As [`Ema::update`].
    pub fn guarded_update(&mut self, guard: &Guard) -> Result<()> {
        let known = guard
            .on_cpu()
            .map_err(Error::tensor("reading whether the step was made"))?;
        let fused = self.vars.values().all(|var| kernels::supports(var));
        match known {
            Some((false, _)) if fused => Ok(()),
            Some((true, _)) if fused => self.update(),
            _ => self.each(|average, var, op| {
                *average = guard.choose(&composed(average, var, op)?, average)?;
                Ok(())
            }),
        }
    }

    /// Updates every average.
    fn each(
        &mut self,
        apply: impl Fn(&mut Tensor, &Var, &Average) -> candle_core::Result<()> + Sync,
    ) -> Result<()> {
        let op = Average { decay: self.decay };
        let mut work: Vec<(&String, &mut Tensor, &Var)> = self
            .averages
            .iter_mut()
            .zip(self.vars.values())
            .map(|((name, average), var)| (name, average, var))
            .collect();
        let update = |(name, average, var): &mut (&String, &mut Tensor, &Var)| {
            apply(average, var, &op).map_err(Error::tensor(format!("averaging `{name}`")))
        };
        if work.iter().all(|(_, _, var)| kernels::supports(var)) {
            work.par_iter_mut().try_for_each(update)
        } else {
            work.iter_mut().try_for_each(update)
        }
    }

    /// The averages by name. They change with the next [`Ema::update`]; copy what must stay.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.averages
    }

    /// Puts the averages into the variables and the variables' values into the averages' place; a second call puts
    /// both back.
    pub(crate) fn exchange(&mut self) -> Result<()> {
        for (name, average) in &mut self.averages {
            let exchange = || {
                let var = &self.vars[name];
                let weights = var.as_detached_tensor().copy()?;
                var.set(average)?;
                Ok(weights)
            };
            *average =
                exchange().map_err(Error::tensor(format!("exchanging the average of `{name}`")))?;
        }
        Ok(())
    }

    /// Takes over averages of the same names, shapes and types.
    pub(crate) fn restore(&mut self, averages: &BTreeMap<String, Tensor>) -> Result<()> {
        for (name, average) in &mut self.averages {
            let saved = averages
                .get(name)
                .ok_or_else(|| Error::Task(format!("no average of `{name}` in the checkpoint")))?;
            *average = saved
                .to_device(average.device())
                .and_then(|t| t.copy())
                .map_err(Error::tensor(format!("restoring the average of `{name}`")))?;
        }
        Ok(())
    }
}

/// The same update out of candle operations, for any device and type.
fn composed(average: &Tensor, var: &Var, op: &Average) -> candle_core::Result<Tensor> {
    (average * op.decay)? + (var.as_detached_tensor() * (1.0 - op.decay))?
}

/// The variables' present values, in storage of their own.
pub(crate) fn copies(vars: &BTreeMap<String, Var>) -> Result<BTreeMap<String, Tensor>> {
    vars.iter()
        .map(|(name, var)| {
            let copy = var
                .as_detached_tensor()
                .copy()
                .map_err(Error::tensor(format!("copying `{name}`")))?;
            Ok((name.clone(), copy))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn it_is_the_weighted_sum_of_all_weights_so_far() {
        let var = Var::new(&[1f64], &Device::Cpu).unwrap();
        let vars = BTreeMap::from([("w".to_string(), var.clone())]);
        let mut ema = Ema::new(&vars, 0.9).unwrap();
        let values = [3.0, -2.0, 5.0, 0.5];
        for value in values {
            var.set(&Tensor::new(&[value], &Device::Cpu).unwrap())
                .unwrap();
            ema.update().unwrap();
        }
        let n = values.len() as i32;
        let mut expected = 0.9f64.powi(n);
        for (i, value) in values.iter().enumerate() {
            expected += 0.1 * 0.9f64.powi(n - 1 - i as i32) * value;
        }
        let found = ema.tensors()["w"].to_vec1::<f64>().unwrap()[0];
        assert!((found - expected).abs() < 1e-15, "{found} {expected}");
    }

    #[test]
    fn exchanged_twice_everything_is_as_before() {
        let var = Var::new(&[1f32, 2.0], &Device::Cpu).unwrap();
        let vars = BTreeMap::from([("w".to_string(), var.clone())]);
        let mut ema = Ema::new(&vars, 0.5).unwrap();
        var.set(&Tensor::new(&[3f32, 6.0], &Device::Cpu).unwrap())
            .unwrap();
        ema.update().unwrap();
        let both = |ema: &Ema| {
            [
                var.to_vec1::<f32>().unwrap(),
                ema.tensors()["w"].to_vec1::<f32>().unwrap(),
            ]
        };
        assert_eq!(both(&ema), [[3.0, 6.0], [2.0, 4.0]]);
        ema.exchange().unwrap();
        assert_eq!(both(&ema), [[2.0, 4.0], [3.0, 6.0]]);
        ema.exchange().unwrap();
        assert_eq!(both(&ema), [[3.0, 6.0], [2.0, 4.0]]);
    }

    #[test]
    fn the_composed_update_agrees_with_the_fused_one() {
        let var = Var::new(&[3f32, -7.0, 0.25], &Device::Cpu).unwrap();
        let op = Average { decay: 0.99996 };
        let start = Tensor::new(&[1f32, 2.0, 3.0], &Device::Cpu).unwrap();
        let composed = composed(&start, &var, &op).unwrap();
        start.inplace_op2(var.as_tensor(), &op).unwrap();
        for (a, b) in start
            .to_vec1::<f32>()
            .unwrap()
            .iter()
            .zip(composed.to_vec1::<f32>().unwrap())
        {
            assert!((a - b).abs() < 1e-6);
        }
    }

    #[test]
    fn a_step_that_was_not_made_is_not_averaged() {
        use candle_core::DType;
        for dtype in [DType::F32, DType::BF16] {
            let tensor = |x: f32| {
                let tensor = Tensor::new(&[x, -x], &Device::Cpu).unwrap();
                tensor.to_dtype(dtype).unwrap()
            };
            let var = Var::from_tensor(&tensor(1.0)).unwrap();
            let vars = BTreeMap::from([("w".to_string(), var.clone())]);
            let mut ema = Ema::new(&vars, 0.5).unwrap();
            var.set(&tensor(3.0)).unwrap();
            for (go, expected) in [(0u8, 1.0), (1, 2.0)] {
                let go = Tensor::new(go, &Device::Cpu).unwrap();
                ema.guarded_update(&Guard { go, scale: None }).unwrap();
                let found = ema.tensors()["w"].to_dtype(DType::F32).unwrap();
                assert_eq!(found.to_vec1::<f32>().unwrap(), [expected, -expected]);
            }
        }
    }
}
