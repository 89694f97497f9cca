//! Attention composed of candle's own operations: the path for devices without a fused
//! kernel, and the second reference for the fused one. Differentiated by candle.

use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::softmax;

use super::geometry::Windows;
use crate::error::Result;
use crate::kernels::attention::{Mixing, Partition};

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

/// What follows from windows alone, as tensors.
#[derive(Clone, Debug)]
pub struct WindowTables {
    /// The row of the table of biases for each query and key, u32 [N N].
    positions: Tensor,
    /// What keeps the regions of a window apart that are no neighbours in the map, [windows, 1, N N]; none without a shift.
    mask: Option<Tensor>,
}

impl WindowTables {
    /// Those of `windows`, for attention of this type on this device.
    ///
    /// # Errors
    /// The device has no room.
    pub fn new(windows: &Windows, dtype: DType, device: &Device) -> Result<Self> {
        let (area, count) = (windows.area(), windows.count());
        let mask = || -> Result<Tensor> {
            let regions = Tensor::from_vec(windows.regions(), (count, area), device)?;
            let (of_query, of_key) = (regions.unsqueeze(2)?, regions.unsqueeze(1)?);
            let mask = of_query.broadcast_ne(&of_key)?.to_dtype(dtype)?;
            Ok((mask * Partition::MASKED)?.reshape((count, 1, area * area))?)
        };
        Ok(Self {
            positions: Tensor::from_vec(windows.relative_positions(), area * area, device)?,
            mask: (windows.shift != [0, 0]).then(mask).transpose()?,
        })
    }
}

/// Attention within the windows of every image: packed rows [B windows, N, 3C], cut by
/// [`window_partition`], and the table of position biases [(2h - 1) (2w - 1), heads] to
/// [B windows, N, C].
pub fn biased_attention(
    qkv: &Tensor,
    table: &Tensor,
    windows: &Windows,
    tables: &WindowTables,
    heads: usize,
) -> Result<Tensor> {
    let [q, k, v] = split_qkv(qkv, heads)?;
    let (area, count) = (windows.area(), windows.count());
    let bias = table
        .index_select(&tables.positions, 0)?
        .t()?
        .contiguous()?;
    let scores = scores(&q, &k)?.broadcast_add(&bias.reshape((heads, area, area))?)?;
    let scores = match &tables.mask {
        None => scores,
        Some(mask) => {
            let all = scores.dim(0)?;
            let by_image = scores.reshape((all / count, count, heads, area * area))?;
            let masked = by_image.broadcast_add(mask)?;
            masked.reshape((all, heads, area, area))?
        }
    };
    merge_heads(&softmax(&scores, D::Minus1)?.matmul(&v)?)
}

/// Tokens [B, H W, C] to windows [B windows, N, C]: rolled, padded with zeros, cut.
pub fn window_partition(x: &Tensor, windows: &Windows) -> Result<Tensor> {
    let (batch, _, channels) = x.dims3()?;
    let ([height, width], [down, across]) = (windows.map, windows.grid());
    let ([h, w], [pad_h, pad_w]) = (windows.size, windows.padded());
    let map = roll(&x.reshape((batch, height, width, channels))?, windows, -1)?;
    let map = map.pad_with_zeros(1, 0, pad_h - height)?;
    let map = map.pad_with_zeros(2, 0, pad_w - width)?;
    let map = map.reshape(vec![batch, down, h, across, w, channels])?;
    let cut = map.permute([0, 1, 3, 2, 4, 5])?.contiguous()?;
    Ok(cut.reshape((batch * down * across, h * w, channels))?)
}

/// The opposite of [`window_partition`]; padding is left out.
pub fn window_reverse(x: &Tensor, windows: &Windows) -> Result<Tensor> {
    let (all, _, channels) = x.dims3()?;
    let ([height, width], [down, across]) = (windows.map, windows.grid());
    let ([h, w], [pad_h, pad_w]) = (windows.size, windows.padded());
    let batch = all / windows.count();
    let x = x.reshape(vec![batch, down, across, h, w, channels])?;
    let map = x.permute([0, 1, 3, 2, 4, 5])?.contiguous()?;
    let map = map.reshape((batch, pad_h, pad_w, channels))?;
    let map = map.narrow(1, 0, height)?.narrow(2, 0, width)?;
    let map = roll(&map, windows, 1)?.contiguous()?;
    Ok(map.reshape((batch, height * width, channels))?)
}

/// Rolls a map [B, H, W, C] by the windows' shift in the direction `sign`.
fn roll(map: &Tensor, windows: &Windows, sign: i32) -> Result<Tensor> {
    let mut map = map.clone();
    for axis in 0..2 {
        let shift = windows.shift[axis] % windows.map[axis];
        if shift > 0 {
            map = map.roll(sign * shift as i32, axis + 1)?;
        }
    }
    Ok(map)
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
