//! Attention composed of candle's own operations: the path for devices without a fused
//! kernel, and the second reference for the fused one. Differentiated by candle.

use candle_core::{D, Tensor};
use candle_nn::ops::softmax;

use crate::error::Result;
use crate::kernels::attention::Mixing;

/// [`softmax_attention`](super::softmax_attention) of packed rows
/// [B, N, 3C] to [B, N, C].
pub fn softmax_attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let [q, k, v] = split_qkv(qkv, heads)?;
    merge_heads(&softmax(&scores(&q, &k)?, D::Minus1)?.matmul(&v)?)
}

/// [`talking_attention`](super::talking_attention) of packed rows
/// [B, N, 3C] and a mixing vector ([`Mixing`]) to [B, N, C].
pub fn talking_attention(qkv: &Tensor, mixing: &Tensor, heads: usize) -> Result<Tensor> {
    let [q, k, v] = split_qkv(qkv, heads)?;
    let half = Mixing::len(heads) / 2;
    let scores = mix(&mixing.narrow(0, 0, half)?, &scores(&q, &k)?)?;
    let weights = mix(
        &mixing.narrow(0, half, half)?,
        &softmax(&scores, D::Minus1)?,
    )?;
    merge_heads(&weights.matmul(&v)?)
}

/// [`class_attention`](super::class_attention) of q [B, Nq, C] to k and
/// v [B, N, C], giving [B, Nq, C].
pub fn class_attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<Tensor> {
    let [q, k, v] = [
        split_heads(q, heads)?,
        split_heads(k, heads)?,
        split_heads(v, heads)?,
    ];
    merge_heads(&softmax(&scores(&q, &k)?, D::Minus1)?.matmul(&v)?)
}

/// q k^T / sqrt(d) of [B, H, Nq, d] and [B, H, N, d].
fn scores(q: &Tensor, k: &Tensor) -> Result<Tensor> {
    let scale = (q.dim(D::Minus1)? as f64).powf(-0.5);
    Ok((q * scale)?.matmul(&k.t()?)?)
}

/// `y_g = sum_h weight[g, h] x_h + bias_g` of x [B, H, Nq, N]; weight and bias lie one after
/// the other in a vector of H (H + 1) numbers.
fn mix(parameters: &Tensor, x: &Tensor) -> Result<Tensor> {
    let (batch, heads, queries, keys) = x.dims4()?;
    let weight = parameters
        .narrow(0, 0, heads * heads)?
        .reshape((heads, heads))?;
    let bias = parameters
        .narrow(0, heads * heads, heads)?
        .reshape((1, heads, 1))?;
    let x = x.reshape((batch, heads, queries * keys))?;
    let y = weight.broadcast_matmul(&x)?.broadcast_add(&bias)?;
    Ok(y.reshape((batch, heads, queries, keys))?)
}

/// q, k and v [B, H, N, d] of packed rows [B, N, 3C].
fn split_qkv(qkv: &Tensor, heads: usize) -> Result<[Tensor; 3]> {
    let channels = qkv.dim(D::Minus1)? / 3;
    let part = |i| split_heads(&qkv.narrow(D::Minus1, i * channels, channels)?, heads);
    Ok([part(0)?, part(1)?, part(2)?])
}

/// [B, N, C] to [B, H, N, d].
fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, channels) = x.dims3()?;
    let x = x.reshape((batch, tokens, heads, channels / heads))?;
    Ok(x.transpose(1, 2)?.contiguous()?)
}

/// [B, H, N, d] to [B, N, C].
fn merge_heads(x: &Tensor) -> Result<Tensor> {
    Ok(x.transpose(1, 2)?.flatten_from(2)?)
}
