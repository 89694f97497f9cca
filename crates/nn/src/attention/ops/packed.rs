//! Self-attention on packed rows [q | k | v]: softmax and talking heads.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Tensor};

use super::{CandleResult, Output, Stored, result_shape};
use crate::attention::composed;
use crate::attention::number::{Input, Number};
use crate::error::{Error, Result};
use crate::kernels::attention::{Mixing, Shape};
use crate::kernels::storage::{numbers, slice, tensor, unsupported, wanted};

/// Self-attention of `heads` heads: packed rows [q | k | v] of a tensor [B, N, 3C] to
/// [B, N, C]. In each third, channel `h * C / heads + c` belongs to head h. F32 or F64 on
/// a CPU.
///
/// # Errors
/// If the tensor has another rank, if 3 x `heads` does not divide its last axis, if it has
/// no tokens, or another type on a CPU.
pub fn softmax_attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    packed_shape(SoftmaxAttention::NAME, qkv.dims(), heads)?;
    if !qkv.device().is_cpu() {
        return composed::softmax_attention(qkv, heads);
    }
    Ok(qkv.apply_op1(SoftmaxAttention { heads })?)
}

/// Talking-heads self-attention: packed rows [q | k | v] of a tensor [B, N, 3C] to
/// [B, N, C]. `mixing` is a vector of 2 H (H + 1) numbers: the flattened parameters
/// `proj_l.weight`, `proj_l.bias`, `proj_w.weight`, `proj_w.bias` one after the other
/// ([`Mixing`]). F32 or F64 on a CPU.
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
    if !qkv.device().is_cpu() {
        return composed::talking_attention(qkv, mixing, heads);
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

fn packed_forward<T: Number>(shape: Shape, qkv: Stored<'_>, mixing: Option<Stored<'_>>) -> Output {
    let qkv = slice::<T>(qkv.0, qkv.1)?;
    let mixing = mixing
        .map(|mixing| slice::<T>(mixing.0, mixing.1))
        .transpose()?;
    let out = T::forward(shape, Input::Packed(&qkv), mixing.as_deref());
    Ok((T::to_cpu_storage_owned(out), result_shape(shape)))
}

fn packed_backward<T: Number>(
    shape: Shape,
    qkv: &Tensor,
    mixing: Option<&Tensor>,
    grad: &Tensor,
) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
    let numbers_of_mixing = mixing.map(numbers::<T>).transpose()?;
    let (gradients, d_mixing) = T::backward(
        shape,
        Input::Packed(&numbers::<T>(qkv)?),
        numbers_of_mixing.as_deref(),
        &numbers::<T>(grad)?,
    );
    let gradient = |data: Option<Vec<T>>, argument: &Tensor| {
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
        match qkv {
            CpuStorage::F32(_) => packed_forward::<f32>(shape, (qkv, layout), None),
            CpuStorage::F64(_) => packed_forward::<f64>(shape, (qkv, layout), None),
            other => Err(unsupported(Self::NAME, other)),
        }
    }

    fn bwd(&self, qkv: &Tensor, _: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        let shape = packed_shape(Self::NAME, qkv.dims(), self.heads)?;
        let (d_qkv, _) = match qkv.dtype() {
            DType::F64 => packed_backward::<f64>(shape, qkv, None, grad)?,
            _ => packed_backward::<f32>(shape, qkv, None, grad)?,
        };
        Ok(d_qkv)
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
        match qkv {
            CpuStorage::F32(_) => packed_forward::<f32>(shape, operand, mixing),
            CpuStorage::F64(_) => packed_forward::<f64>(shape, operand, mixing),
            other => Err(unsupported(Self::NAME, other)),
        }
    }

    fn bwd(
        &self,
        qkv: &Tensor,
        mixing: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        let shape = packed_shape(Self::NAME, qkv.dims(), self.heads)?;
        match qkv.dtype() {
            DType::F64 => packed_backward::<f64>(shape, qkv, Some(mixing), grad),
            _ => packed_backward::<f32>(shape, qkv, Some(mixing), grad),
        }
    }
}
