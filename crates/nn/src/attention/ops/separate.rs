//! Attention of separate queries to keys and values.

use candle_core::{CpuStorage, CustomOp3, Layout, Tensor};

use super::{CandleResult, Output, Stored, result_shape};
use crate::attention::passes::{Input, backward, forward};
use crate::error::{Error, Result};
use crate::kernels::attention::Shape;
use crate::kernels::storage::{numbers, only_f32, slice, tensor, wanted};

/// Attention of separate queries q [B, Nq, C] to keys and values k, v [B, N, C], giving
/// [B, Nq, C]: with one query, CaiT's class attention. F32 on a CPU; the other form is
/// [`composed::class_attention`](crate::attention::composed::class_attention).
///
/// # Errors
/// If the tensors have other ranks or do not fit together, if `heads` does not divide C, if
/// there are no keys, or if the types differ or have no kernel.
pub fn class_attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<Tensor> {
    let op = ClassAttention::NAME;
    separate_shape(op, [q.dims(), k.dims(), v.dims()], heads)?;
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

fn separate_forward(shape: Shape, inputs: [Stored<'_>; 3]) -> Output {
    only_f32(ClassAttention::NAME, inputs[0].0)?;
    let [q, k, v] = inputs.map(|(storage, layout)| slice(storage, layout));
    let out = forward(shape, Input::Separate([&q?, &k?, &v?]), None);
    Ok((CpuStorage::F32(out), result_shape(shape)))
}

fn separate_backward(
    shape: Shape,
    inputs: [&Tensor; 3],
    grad: &Tensor,
) -> CandleResult<[Option<Tensor>; 3]> {
    let [q, k, v] = inputs.map(numbers);
    let (q, k, v, grad) = (q?, k?, v?, numbers(grad)?);
    let (gradients, _) = backward(shape, Input::Separate([&q, &k, &v]), None, &grad);
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
        separate_forward(shape, [(q, q_layout), (k, k_layout), (v, v_layout)])
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
        let [d_q, d_k, d_v] = separate_backward(shape, [q, k, v], grad)?;
        Ok((d_q, d_k, d_v))
    }
}
