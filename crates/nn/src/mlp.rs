//! The two-layer perceptron of a transformer block.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, Shape, Tensor};

use crate::bf16;
use crate::builder::{Builder, Form};
use crate::chain::{Chain, Gradients, Operation, Stored, apply};
use crate::error::{Error, Result};
use crate::gelu;
use crate::kernels::linear::{Wanted, WeightNumbers};
use crate::kernels::mlp::{self as kernel, Parameters};
use crate::kernels::simd;
use crate::kernels::storage::{cpu, numbers, only_f32, slice, tensor, wanted};
use crate::linear::Linear;

/// fc2(gelu(fc1(x))) over the last axis (timm's `Mlp` without dropout), as one operation.
///
/// Weights of type bf16 are packed, as [`Linear`]'s are; gelu remains f32.
#[derive(Clone, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
    form: Form,
}

impl Mlp {
    /// From `channels` to `hidden` numbers and back, with the parameters `fc1.weight`
    /// [hidden, channels], `fc1.bias`, `fc2.weight` [channels, hidden], `fc2.bias`.
    pub fn new<'a>(channels: usize, hidden: usize, vb: impl Into<Builder<'a>>) -> Result<Self> {
        let vb = vb.into();
        let fc1 = Linear::new(channels, hidden, true, vb.pp("fc1"))?;
        let fc2 = Linear::new(hidden, channels, true, vb.pp("fc2"))?;
        if fc1.packed().is_some() != fc2.packed().is_some() {
            return Err(Error::Bf16 {
                layer: "Mlp",
                reason: "both weights must be of that type, or none".into(),
            });
        }
        let form = vb.form();
        Ok(Self { fc1, fc2, form })
    }

    /// The result, same shape, for `x` [..., channels].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Some(links) = self.links(x)? {
            return Ok(apply(links, None, x)?);
        }
        if let (Some(first), Some(second)) = (self.fc1.packed(), self.fc2.packed()) {
            return bf16::mlp(x, first, second);
        }
        self.composed(x)
    }

    /// The layer as a link, where it has a kernel.
    pub(crate) fn links(&self, x: &Tensor) -> Result<Option<Chain>> {
        self.fc1.check(x)?;
        let (Some(first), Some(second)) = (self.fc1.parameters(), self.fc2.parameters()) else {
            return Ok(None);
        };
        if self.form == Form::Composed {
            return Ok(None);
        }
        let hidden = Mutex::default();
        Ok(Some(vec![Box::new(MlpOp {
            first,
            second,
            hidden,
        })]))
    }

    fn composed(&self, x: &Tensor) -> Result<Tensor> {
        self.fc2.forward(&gelu::composed(&self.fc1.forward(x)?)?)
    }
}

/// x [..., C] to y [..., C].
struct MlpOp {
    /// w1 and b1.
    first: [Tensor; 2],
    /// w2 and b2.
    second: [Tensor; 2],
    /// h of the forward pass, until a backward pass takes it.
    hidden: Mutex<Option<Vec<f32>>>,
}

impl MlpOp {
    fn hidden(&self) -> MutexGuard<'_, Option<Vec<f32>>> {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` with the parameters as the kernel takes them.
    fn with_parameters<T>(&self, f: impl FnOnce(Parameters<'_>) -> T) -> candle_core::Result<T> {
        let [w1, b1] = &self.first;
        let [w2, b2] = &self.second;
        let ((w1, w1_layout), (w2, w2_layout)) = (w1.storage_and_layout(), w2.storage_and_layout());
        let (w1, w2) = (
            WeightNumbers::new(cpu(&w1)?, w1_layout)?,
            WeightNumbers::new(cpu(&w2)?, w2_layout)?,
        );
        let (b1, b2) = (numbers(b1)?, numbers(b2)?);
        Ok(f(Parameters {
            first: ((&w1).into(), &b1),
            second: ((&w2).into(), &b2),
        }))
    }

    /// The gradients of the parameters out of one vector of them all.
    fn split(&self, sums: Vec<f32>) -> candle_core::Result<Vec<Option<Tensor>>> {
        let (mut start, len) = (0, sums.len());
        let sums = tensor(sums, len)?;
        let parameters = self.parameters();
        let part = |parameter: &Tensor| {
            let gradient = sums.narrow(0, start, parameter.elem_count())?;
            start += parameter.elem_count();
            Ok(wanted(parameter, gradient.reshape(parameter.shape())?))
        };
        parameters.iter().map(part).collect()
    }
}

impl Operation for MlpOp {
    fn parameters(&self) -> Vec<Tensor> {
        [&self.first[..], &self.second[..]].concat()
    }

    fn forward(&self, x: Stored<'_>, keep: bool) -> candle_core::Result<(CpuStorage, Shape)> {
        only_f32("mlp", x.0)?;
        let numbers = slice(x.0, x.1)?;
        let (y, h) = self.with_parameters(|p| kernel::forward(simd::best(), p, &numbers, keep))?;
        *self.hidden() = keep.then_some(h);
        Ok((CpuStorage::F32(y), x.1.shape().clone()))
    }

    fn backward(&self, x: &Tensor, dy: &Tensor) -> candle_core::Result<Gradients> {
        let want = Wanted {
            dx: x.track_op(),
            sums: self.parameters().iter().any(Tensor::track_op),
        };
        let (arch, x_numbers, dy) = (simd::best(), numbers(x)?, numbers(dy)?);
        let h = self.hidden().take();
        let (dx, sums) = self.with_parameters(|p| {
            let h = h.unwrap_or_else(|| kernel::forward(arch, p, &x_numbers, true).1);
            kernel::backward(arch, p, &x_numbers, &h, &dy, want)
        })?;
        let dx = want.dx.then(|| tensor(dx, x.shape())).transpose()?;
        let sums = match want.sums {
            true => self.split(sums)?,
            false => vec![None; 4],
        };
        Ok((dx, sums))
    }
}
