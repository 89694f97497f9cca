//! Self-attention on packed rows [q | k | v]: softmax and talking heads.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Tensor};

use super::{CandleResult, Output, Stored, result_shape};
use crate::attention::passes::{Input, backward, forward};
use crate::error::{Error, Result};
use crate::kernels::attention::{Mixing, Shape};
use crate::kernels::storage::{numbers, only_f32, slice, tensor, wanted};

/// Self-attention of `heads` heads: packed rows [q | k | v] of a tensor [B, N, 3C] to
/// [B, N, C]. In each third, channel `h * C / heads + c` belongs to head h. The kernels' form, F32 on a CPU; the other is
/// [`composed::softmax_attention`](crate::attention::composed::softmax_attention).
///
/// # Errors
/// If the tensor has another rank, if 3 x `heads` does not divide its last axis, if it has
/// no tokens, or another type or device.
pub fn softmax_attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    packed_shape(SoftmaxAttention::NAME, qkv.dims(), heads)?;
    Ok(qkv.apply_op1(SoftmaxAttention { heads })?)
}

/// Talking-heads self-attention: packed rows [q | k | v] of a tensor [B, N, 3C] to
/// [B, N, C]. `mixing` is a vector of 2 H (H + 1) numbers: the flattened parameters
/// `proj_l.weight`, `proj_l.bias`, `proj_w.weight`, `proj_w.bias` one after the other
/// ([`Mixing`]). F32 on a CPU; the other form is
/// [`composed::talking_attention`](crate::attention::composed::talking_attention).
///
/// # Errors
/// As [`softmax_attention`], and if `mixing` has another shape or type.
pub fn talking_attention(qkv: &Tensor, mixing: &Tensor, heads: usize) -> Result<Tensor> {
    let op = TalkingAttention::NAME;
    packed_shape(op, qkv.dims(), heads)?;
    if mixing.dims() != [Mixing::len(heads)] {
        let expected = format!("a mixing vector [{}] for {heads} heads", Mixing::len(heads));
        return Err(Error::Shape {
            layer: op,
            expected,
            got: mixing.dims().to_vec(),
        });
    }
    Ok(qkv.apply_op2(mixing, TalkingAttention { heads })?)
}

/// The shape of self-attention on a tensor [B, N, 3C].
fn packed_shape(layer: &'static str, dims: &[usize], heads: usize) -> Result<Shape> {
    match *dims {
        [batch, tokens, width]
            if tokens > 0 && width > 0 && heads > 0 && width % (3 * heads) == 0 =>
        {
            let head_dim = width / 3 / heads;
            Ok(Shape {
                batch,
                queries: tokens,
                keys: tokens,
                heads,
                head_dim,
            })
        }
        _ => Err(Error::Shape {
            layer,
            expected: format!("[B, N, 3C] with N > 0 and C a multiple of {heads} heads"),
            got: dims.to_vec(),
        }),
    }
}

fn packed_forward(
    name: &'static str,
    shape: Shape,
    qkv: Stored<'_>,
    mixing: Option<Stored<'_>>,
) -> Output {
    only_f32(name, qkv.0)?;
    let qkv = slice(qkv.0, qkv.1)?;
    let mixing = mixing.map(|mixing| slice(mixing.0, mixing.1)).transpose()?;
    let out = forward(shape, Input::Packed(&qkv), mixing.as_deref());
    Ok((CpuStorage::F32(out), result_shape(shape)))
}

fn packed_backward(
    shape: Shape,
    qkv: &Tensor,
    mixing: Option<&Tensor>,
    grad: &Tensor,
) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
    let numbers_of_mixing = mixing.map(numbers).transpose()?;
    let (gradients, d_mixing) = backward(
        shape,
        Input::Packed(&numbers(qkv)?),
        numbers_of_mixing.as_deref(),
        &numbers(grad)?,
    );
    let gradient = |data: Option<Vec<f32>>, argument: &Tensor| {
        let gradient = data
            .map(|data| tensor(data, argument.shape()))
            .transpose()?;
        CandleResult::Ok(wanted(argument, gradient))
    };
    let d_qkv = gradient(gradients.into_iter().next(), qkv)?;
    let d_mixing = mixing
        .map(|mixing| gradient(Some(d_mixing), mixing))
        .transpose()?;
    Ok((d_qkv, d_mixing.flatten()))
}

/// The operation of [`softmax_attention`].
pub(in crate::attention) struct SoftmaxAttention {
    pub heads: usize,
}

impl SoftmaxAttention {
    const NAME: &'static str = "softmax attention";
}

impl CustomOp1 for SoftmaxAttention {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Output {
        let shape = packed_shape(Self::NAME, layout.dims(), self.heads)?;
        packed_forward(Self::NAME, shape, (qkv, layout), None)
    }

    fn bwd(&self, qkv: &Tensor, _: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        let shape = packed_shape(Self::NAME, qkv.dims(), self.heads)?;
        Ok(packed_backward(shape, qkv, None, grad)?.0)
    }
}

/// The operation of [`talking_attention`].
pub(in crate::attention) struct TalkingAttention {
    pub heads: usize,
}

impl TalkingAttention {
    const NAME: &'static str = "talking-heads attention";
}

impl CustomOp2 for TalkingAttention {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(
        &self,
        qkv: &CpuStorage,
        qkv_layout: &Layout,
        mixing: &CpuStorage,
        mixing_layout: &Layout,
    ) -> Output {
        let shape = packed_shape(Self::NAME, qkv_layout.dims(), self.heads)?;
        let (operand, mixing) = ((qkv, qkv_layout), Some((mixing, mixing_layout)));
        packed_forward(Self::NAME, shape, operand, mixing)
    }

    fn bwd(
        &self,
        qkv: &Tensor,
        mixing: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        let shape = packed_shape(Self::NAME, qkv.dims(), self.heads)?;
        packed_backward(shape, qkv, Some(mixing), grad)
    }
}
