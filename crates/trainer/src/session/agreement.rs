//! Whether all ranks of a run begin as one.

use candle_core::{DType, Device, Tensor, Var};

use super::Session;
use crate::error::{Error, Result};
use crate::group::Group;

impl Session<'_> {
    /// Makes sure that all ranks go on from one place with the same weights.
    pub(crate) fn agree(&self, group: &mut dyn Group) -> Result<()> {
        let world = group.world();
        if world == 1 {
            return Ok(());
        }
        let device = self.vars.values().next().map(|var| var.device().clone());
        let failed = || Error::tensor("comparing the ranks' weights");
        let own = [self.state.step as f64, self.sum_of_weights()?];
        let told = match group.rank() {
            0 => own,
            _ => [0.0; 2],
        };
        let told = Tensor::new(&told, &device.unwrap_or(Device::Cpu)).map_err(failed())?;
        let first = self.reads.numbers(&group.sum(&told)?).map_err(failed())?;
        let same = |(first, own): (&f64, f64)| *first == own || (first.is_nan() && own.is_nan());
        let differs = !first.iter().zip(own).all(same);
        if group.any(differs)? {
            let reason = "they start from different weights or checkpoints; give all of them the same task, seed and folder";
            return Err(Error::Ranks {
                world,
                reason: reason.into(),
            });
        }
        Ok(())
    }

    /// A number that differs where weights do.
    fn sum_of_weights(&self) -> Result<f64> {
        let sum = |var: &Var| var.as_detached_tensor().to_dtype(DType::F64)?.sum_all();
        let sums = self
            .vars
            .values()
            .map(sum)
            .collect::<candle_core::Result<Vec<_>>>();
        let sums = sums
            .and_then(|sums| self.reads.numbers(&Tensor::stack(&sums, 0)?))
            .map_err(Error::tensor("adding up the weights"))?;
        Ok((1u32..).zip(sums).map(|(i, x)| f64::from(i) * x).sum())
    }
}
