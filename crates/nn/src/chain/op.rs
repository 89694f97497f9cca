//! The chain as candle's operation.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor, Var, WithDType};

use super::bundle::{Bundle, Gradients};
use super::operation::{Operation, Stored};
use crate::kernels::storage::{cpu, only_f32, wanted};
use crate::residual::{ResidualOp, sum};

/// Operations in the order in which they run.
pub(crate) type Chain = Vec<Box<dyn Operation>>;

/// A residual connection around a chain: x + f gamma chain(x).
pub(crate) struct End {
    /// The factors f of the samples.
    pub op: ResidualOp,
    /// LayerScale.
    pub gamma: Option<Tensor>,
}

/// The result of `links` on `x`, which is on the CPU; with an `end`, that of the residual
/// connection around them, for which they must keep the shape.
pub(crate) fn apply(links: Chain, end: Option<End>, x: &Tensor) -> Result<Tensor> {
    let mut parameters: Vec<_> = links.iter().flat_map(|link| link.parameters()).collect();
    parameters.extend(end.as_ref().and_then(|end| end.gamma.clone()));
    let Bundle { operand, gradients } = Bundle::new(&parameters)?;
    let op = ChainOp {
        keep: x.track_op() || operand.track_op(),
        links,
        end,
        kept: Mutex::default(),
        gradients,
    };
    x.apply_op2(&operand, op)
}

/// A result, row-major, and its shape.
type Output = (CpuStorage, Shape);

/// The results of the links, where they are kept.
type Kept = Vec<Option<Tensor>>;

struct ChainOp {
    links: Chain,
    end: Option<End>,
    /// Whether a backward pass may follow.
    keep: bool,
    /// The results of the links that are kept for it; it takes them, and another one has to
    /// compute them again.
    kept: Mutex<Kept>,
    gradients: Gradients,
}

impl ChainOp {
    /// Whether the result of link `index` is to be kept.
    fn keeps(&self, index: usize) -> bool {
        let read = match &self.end {
            // Only gamma's gradient reads the last one.
            _ if index + 1 < self.links.len() => !self.links[index].is_cheap(),
            Some(end) => end.gamma.as_ref().is_some_and(Tensor::track_op),
            None => false,
        };
        self.keep && read
    }

    /// The result, and those of the links that are kept.
    fn run(&self, x: Stored<'_>) -> Result<(Output, Kept)> {
        let mut kept = Vec::with_capacity(self.links.len());
        let mut last: Option<Output> = None;
        for (i, link) in self.links.iter().enumerate() {
            let Some((storage, shape)) = last.take() else {
                last = Some(link.forward(x, self.keep)?);
                continue;
            };
            last = Some(link.forward((&storage, &Layout::contiguous(&shape)), self.keep)?);
            kept.push(match self.keeps(i - 1) {
                true => Some(leaf(storage, shape)?),
                false => None,
            });
        }
        let (Some((storage, shape)), Some(end)) = (&last, &self.end) else {
            let nothing = || candle_core::Error::Msg("a chain without links".into());
            return Ok((last.ok_or_else(nothing)?, kept));
        };
        let z = (storage, &Layout::contiguous(shape));
        let gamma = end.gamma.as_ref().map(Tensor::storage_and_layout);
        let gamma = match &gamma {
            Some((storage, layout)) => Some((cpu(storage)?, *layout)),
            None => None,
        };
        let y = end.op.forward(x, z, gamma)?;
        if let Some((storage, shape)) = last.filter(|_| self.keeps(self.links.len() - 1)) {
            kept.push(Some(leaf(storage, shape)?));
        }
        Ok((y, kept))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The input of every link and, if it is to be kept, the last result.
    fn inputs(&self, x: &Tensor) -> Result<(Vec<Tensor>, Option<Tensor>)> {
        let mut kept = std::mem::take(&mut *self.kept()).into_iter();
        let mut inputs = vec![x.clone()];
        for (i, link) in self.links.iter().enumerate() {
            let is_last = i + 1 == self.links.len();
            if let Some(kept) = kept.next().flatten() {
                inputs.push(kept);
            } else if !is_last || self.keeps(i) {
                let input = inputs[i].clone();
                let (storage, layout) = input.storage_and_layout();
                let (storage, shape) = link.forward((cpu(&storage)?, layout), true)?;
                inputs.push(leaf(storage, shape)?);
            }
        }
        let last = match inputs.len() > self.links.len() {
            true => inputs.pop(),
            false => None,
        };
        Ok((inputs, last))
    }
}

/// A tensor that operations take for one that wants a gradient, and that is the result of none.
fn leaf(storage: CpuStorage, shape: Shape) -> Result<Tensor> {
    only_f32("chain", &storage)?;
    let data = f32::cpu_storage_data(storage)?;
    Ok(Var::from_vec(data, shape, &Device::Cpu)?.into_inner())
}

impl CustomOp2 for ChainOp {
    fn name(&self) -> &'static str {
        "chain"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (y, kept) = self.run((x, layout))?;
        *self.kept() = kept;
        Ok(y)
    }

    fn bwd(
        &self,
        x: &Tensor,
        operand: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (mut inputs, last) = self.inputs(x)?;
        let (mut d, d_gamma) = match &self.end {
            Some(end) => end.op.backward(last.as_ref(), end.gamma.as_ref(), dy)?,
            None => (dy.clone(), None),
        };
        let mut of_links = Vec::with_capacity(self.links.len());
        for link in self.links.iter().rev() {
            let input = inputs.pop().unwrap_or_else(|| x.clone());
            let (d_input, of_parameters) = link.backward(&input, &d)?;
            of_links.push(of_parameters);
            // Only the first link's input, x, may want none.
            d = d_input.unwrap_or(d);
        }
        let mut gradients: Vec<_> = of_links.into_iter().rev().flatten().collect();
        gradients.push(d_gamma);
        self.gradients.leave(gradients);
        let dx = match &self.end {
            Some(_) if x.track_op() => sum(dy, &d)?,
            _ => d,
        };
        Ok((wanted(x, dx), wanted(operand, operand.zeros_like()?)))
    }
}
