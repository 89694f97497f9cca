//! The two-layer perceptron of a transformer block.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, DType, Layout, Shape, Tensor};
use candle_nn::VarBuilder;

use crate::bf16;
use crate::error::{Error, Result};
use crate::gelu::Gelu;
use crate::kernels::linear::Wanted;
use crate::kernels::mlp::{self as kernel, Parameters};
use crate::kernels::simd;
use crate::kernels::storage::{numbers, slice, tensor, unsupported, wanted};
use crate::linear::Linear;
use crate::scalar::mlp as twin;

/// fc2(gelu(fc1(x))) over the last axis (timm's `Mlp` without dropout), as one operation.
///
/// Weights of type bf16 are packed, as [`Linear`]'s are; gelu remains f32.
#[derive(Clone, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
    /// The parameters as [`MlpOp`] takes them, weights column by column, made once where
    /// they cannot change; `fc1` and `fc2` are views of them.
    packed: Option<(Tensor, Tensor)>,
}

impl Mlp {
    /// From `channels` to `hidden` numbers and back, with the parameters `fc1.weight`
    /// [hidden, channels], `fc1.bias`, `fc2.weight` [channels, hidden], `fc2.bias`.
    pub fn new(channels: usize, hidden: usize, vb: VarBuilder) -> Result<Self> {
        let fc1 = Linear::new(channels, hidden, true, vb.pp("fc1"))?;
        let fc2 = Linear::new(hidden, channels, true, vb.pp("fc2"))?;
        match (fc1.packed(), fc2.packed()) {
            (None, None) => {}
            (Some(_), Some(_)) => {
                let packed = None;
                return Ok(Self { fc1, fc2, packed });
            }
            _ => {
                return Err(Error::Bf16 {
                    layer: "Mlp",
                    reason: "both weights must be of that type, or none".into(),
                });
            }
        }
        let frozen = !(tracked(&fc1)? || tracked(&fc2)?);
        let weight = fc1.weight()?;
        if !(frozen && weight.device().is_cpu() && weight.dtype() == DType::F32) {
            let packed = None;
            return Ok(Self { fc1, fc2, packed });
        }
        let ((fc1, first), (fc2, second)) = (pack_columns(&fc1)?, pack_columns(&fc2)?);
        let packed = Some((first, second));
        Ok(Self { fc1, fc2, packed })
    }

    /// The result, same shape, for `x` [..., channels]. F32 or F64 on a CPU.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fc1.check(x)?;
        if let (Some(first), Some(second)) = (self.fc1.packed(), self.fc2.packed()) {
            return bf16::mlp(x, first, second);
        }
        if !x.device().is_cpu() {
            return self.forward_composed(x);
        }
        let (first, second) = match &self.packed {
            Some(packed) => packed.clone(),
            None => (pack(&self.fc1)?, pack(&self.fc2)?),
        };
        let keep = x.track_op() || first.track_op() || second.track_op();
        Ok(x.apply_op3(
            &first,
            &second,
            MlpOp {
                keep,
                columns: self.packed.is_some(),
                hidden: OnceLock::new(),
            },
        )?)
    }

    /// The same out of candle's own operations: the path of other devices.
    pub fn forward_composed(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.fc1.forward_composed(x)?;
        self.fc2.forward_composed(&Gelu.forward_composed(&h)?)
    }
}

fn tracked(fc: &Linear) -> Result<bool> {
    Ok(fc.weight()?.track_op() || fc.bias().is_some_and(Tensor::track_op))
}

/// Weight and bias in one vector: an operation of candle's has three operands at most.
fn pack(fc: &Linear) -> Result<Tensor> {
    let weight = fc.weight()?.flatten_all()?;
    Ok(match fc.bias() {
        Some(bias) => Tensor::cat(&[&weight, bias], 0)?,
        None => weight,
    })
}

/// [`pack`] with the weight column by column; and the layer as views of that vector, so that its
/// numbers are in memory once.
fn pack_columns(fc: &Linear) -> Result<(Linear, Tensor)> {
    let (outputs, inputs) = fc.weight()?.dims2()?;
    let mut parts = vec![fc.weight()?.t()?.flatten_all()?];
    parts.extend(fc.bias().cloned());
    let packed = Tensor::cat(&parts, 0)?;
    let weight = packed.narrow(0, 0, inputs * outputs)?;
    let weight = weight.reshape((inputs, outputs))?.t()?;
    let bias = fc
        .bias()
        .map(|bias| packed.narrow(0, inputs * outputs, bias.elem_count()));
    Ok((Linear::from_tensors(weight, bias.transpose()?)?, packed))
}

/// x [..., C], (w1, b1) and (w2, b2) to y [..., C].
struct MlpOp {
    /// Whether a backward pass may follow.
    keep: bool,
    /// Whether the weights lie column by column.
    columns: bool,
    /// h of the forward pass.
    hidden: OnceLock<Vec<f32>>,
}

/// (C, H): the packed parameters hold (C + 1) H and (H + 1) C numbers.
fn sizes(x: &Shape, first: &Shape) -> (usize, usize) {
    let channels = x.dims().last().copied().unwrap_or(1);
    (channels, first.elem_count() / (channels + 1))
}

impl CustomOp3 for MlpOp {
    fn name(&self) -> &'static str {
        "mlp"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (channels, hidden) = sizes(x_layout.shape(), first_layout.shape());
        let y = match x {
            CpuStorage::F32(_) => {
                let (first, second) = (slice(first, first_layout)?, slice(second, second_layout)?);
                let parameters = Parameters {
                    first: &first,
                    second: &second,
                    columns: self.columns,
                    channels,
                    hidden,
                };
                let x = slice(x, x_layout)?;
                let (y, h) = kernel::forward(simd::best(), parameters, &x, self.keep);
                // An operation is applied once; a second h of the same x would be the same.
                let _ = self.hidden.set(h);
                CpuStorage::F32(y)
            }
            CpuStorage::F64(_) => {
                let (first, second) = (slice(first, first_layout)?, slice(second, second_layout)?);
                let parameters = twin::Parameters {
                    first: &first,
                    second: &second,
                    channels,
                    hidden,
                };
                CpuStorage::F64(twin::forward(parameters, &slice(x, x_layout)?))
            }
            _ => return Err(unsupported(self.name(), x)),
        };
        Ok((y, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        first: &Tensor,
        second: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (channels, hidden) = sizes(x.shape(), first.shape());
        let want = Wanted {
            dx: x.track_op(),
            sums: first.track_op() || second.track_op(),
        };
        let (dx, sums) = if x.dtype() == DType::F64 {
            let (first, second) = (numbers::<f64>(first)?, numbers(second)?);
            let parameters = twin::Parameters {
                first: &first,
                second: &second,
                channels,
                hidden,
            };
            let (dx, sums) = twin::backward(parameters, &numbers(x)?, &numbers(dy)?);
            let len = sums.len();
            (Some(tensor(dx, x.shape())?), Some(tensor(sums, len)?))
        } else {
            let (first, second) = (numbers(first)?, numbers(second)?);
            let parameters = Parameters {
                first: &first,
                second: &second,
                columns: self.columns,
                channels,
                hidden,
            };
            let h = self.hidden.get().map_or(&[][..], Vec::as_slice);
            let (x_numbers, dy) = (numbers(x)?, numbers(dy)?);
            let (dx, sums) = kernel::backward(simd::best(), parameters, &x_numbers, h, &dy, want);
            let len = sums.len();
            (
                want.dx.then(|| tensor(dx, x.shape())).transpose()?,
                want.sums.then(|| tensor(sums, len)).transpose()?,
            )
        };
        let at = first.elem_count();
        let Some(sums) = sums else {
            return Ok((dx, None, None));
        };
        let (d_first, d_second) = (
            sums.narrow(0, 0, at)?,
            sums.narrow(0, at, second.elem_count())?,
        );
        Ok((
            wanted(x, dx),
            wanted(first, d_first),
            wanted(second, d_second),
        ))
    }
}
