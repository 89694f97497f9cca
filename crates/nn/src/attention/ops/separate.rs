//! Attention of separate queries to keys and values.

use candle_core::{CpuStorage, CustomOp3, DType, Layout, Tensor};

use super::{CandleResult, Output, Stored, result_shape};
use crate::attention::composed;
use crate::attention::number::{Input, Number};
use crate::error::{Error, Result};
use crate::kernels::attention::Shape;
use crate::kernels::storage::{numbers, slice, tensor, unsupported, wanted};

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

/// The operation of [`class_attention`].
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
