//! The differentiable operations: fused on the CPU, composed of candle's on other devices.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Tensor};

use super::composed;
use super::number::{Input, Number};
use crate::error::{Error, Result};
use crate::kernels::attention::{Mixing, Shape};
use crate::kernels::storage::{numbers, slice, tensor, unsupported, wanted};

type CandleResult<T> = candle_core::Result<T>;

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

/// Attention of separate queries q [B, Nq, C] to keys and values k, v [B, N, C], giving
/// [B, Nq, C]: with one query, CaiT's class attention. F32 or F64 on a CPU.
///
/// # Errors
/// If the tensors have other ranks or do not fit together, if `heads` does not divide C, if
/// there are no keys, or if the types differ or have no kernel.
pub fn class_attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<Tensor> {
    let op = ClassAttention::NAME;
    separate_shape(op, [q.dims(), k.dims(), v.dims()], heads)?;
    if !q.device().is_cpu() {
        return composed::class_attention(q, k, v, heads);
    }
    Ok(q.apply_op3(k, v, ClassAttention { heads })?)
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

/// The shape of attention of q [B, Nq, C] to k and v [B, N, C].
fn separate_shape(layer: &'static str, [q, k, v]: [&[usize]; 3], heads: usize) -> Result<Shape> {
    let error = |expected: String, got: &[usize]| {
        let got = got.to_vec();
        Error::Shape {
            layer,
            expected,
            got,
        }
    };
    let shape = match *q {
        [batch, queries, channels] if heads > 0 && channels > 0 && channels % heads == 0 => {
            let keys = k.get(1).copied().unwrap_or(0);
            Shape {
                batch,
                queries,
                keys,
                heads,
                head_dim: channels / heads,
            }
        }
        _ => {
            return Err(error(
                format!("q [B, Nq, C] with C a multiple of {heads} heads"),
                q,
            ));
        }
    };
    let (batch, channels) = (shape.batch, shape.channels());
    if shape.keys == 0 || *k != [batch, shape.keys, channels] {
        return Err(error(
            format!("k [{batch}, N, {channels}] for these queries, N > 0"),
            k,
        ));
    }
    if v != k {
        return Err(error(format!("v of the shape {k:?} of k"), v));
    }
    Ok(shape)
}

/// A tensor's storage and layout, as candle hands them to a custom op.
type Stored<'a> = (&'a CpuStorage, &'a Layout);

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

fn separate_forward<T: Number>(shape: Shape, inputs: [Stored<'_>; 3]) -> Output {
    let [q, k, v] = inputs.map(|(storage, layout)| slice::<T>(storage, layout));
    let out = T::forward(shape, Input::Separate([&q?, &k?, &v?]), None);
    Ok((T::to_cpu_storage_owned(out), result_shape(shape)))
}

fn separate_backward<T: Number>(
    shape: Shape,
    inputs: [&Tensor; 3],
    grad: &Tensor,
) -> CandleResult<[Option<Tensor>; 3]> {
    let [q, k, v] = inputs.map(numbers::<T>);
    let (q, k, v, grad) = (q?, k?, v?, numbers::<T>(grad)?);
    let (gradients, _) = T::backward(shape, Input::Separate([&q, &k, &v]), None, &grad);
    let mut out = [None, None, None];
    for ((out, data), input) in out.iter_mut().zip(gradients).zip(inputs) {
        *out = wanted(input, tensor(data, input.shape())?);
    }
    Ok(out)
}

type Output = CandleResult<(CpuStorage, candle_core::Shape)>;

fn result_shape(shape: Shape) -> candle_core::Shape {
    (shape.batch, shape.queries, shape.channels()).into()
}

/// The operation of [`softmax_attention`].
pub(super) struct SoftmaxAttention {
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
pub(super) struct TalkingAttention {
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

struct ClassAttention {
    heads: usize,
}

impl ClassAttention {
    const NAME: &'static str = "class attention";
}

impl CustomOp3 for ClassAttention {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Output {
        let dims = [q_layout.dims(), k_layout.dims(), v_layout.dims()];
        let shape = separate_shape(Self::NAME, dims, self.heads)?;
        let inputs = [(q, q_layout), (k, k_layout), (v, v_layout)];
        match q {
            CpuStorage::F32(_) => separate_forward::<f32>(shape, inputs),
            CpuStorage::F64(_) => separate_forward::<f64>(shape, inputs),
            other => Err(unsupported(Self::NAME, other)),
        }
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let shape = separate_shape(Self::NAME, [q.dims(), k.dims(), v.dims()], self.heads)?;
        let [d_q, d_k, d_v] = match q.dtype() {
            DType::F64 => separate_backward::<f64>(shape, [q, k, v], grad)?,
            _ => separate_backward::<f32>(shape, [q, k, v], grad)?,
        };
        Ok((d_q, d_k, d_v))
    }
}
