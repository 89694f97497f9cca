//! Adaptive average pooling over channels and over space, with PyTorch's bins.

use std::ops::Range;

use candle_core::Tensor;

use crate::real::{check_axes, to_working_precision};
use crate::{Error, Result, banded};

/// The inputs that output `index` of `outputs` averages over, of `inputs` in all: `floor(index *
/// inputs / outputs) .. ceil((index + 1) * inputs / outputs)`, as in PyTorch's adaptive pooling.
///
/// Where `outputs` does not divide `inputs`, neighbouring bins share inputs. `outputs` must be at
/// least 1, and `index` less than it.
pub fn adaptive_bin(index: usize, inputs: usize, outputs: usize) -> Range<usize> {
    (index * inputs) / outputs..((index + 1) * inputs).div_ceil(outputs)
}

/// Averages the channels of `[..., C, H, W]` into `channels` bins, `[..., channels, H, W]`, as
/// PyTorch's `adaptive_avg_pool3d(x, (channels, None, None))` does; see [`adaptive_bin`].
///
/// With `channels == C` the tensor itself comes back, not a copy. More channels than `C` are
/// allowed and repeat some. The element type is kept (f16 and bf16 are computed in f32); any
/// strides. Differentiable.
///
/// # Errors
/// Fewer than three axes, an empty `C`, `H` or `W`, no output channels, or an element type that is
/// not floating point.
pub fn adaptive_avg_pool_channels(x: &Tensor, channels: usize) -> Result<Tensor> {
    const OP: &str = "adaptive_avg_pool_channels";
    check_axes(OP, "[..., C, H, W]", x, &["C", "H", "W"])?;
    let inputs = x.dims()[x.rank() - 3];
    if channels == 0 {
        return Err(Error::NoOutputChannels {
            shape: x.dims().to_vec(),
        });
    }
    let working = to_working_precision(OP, x)?;
    if channels == inputs {
        return Ok(x.clone());
    }
    Ok(banded::pool(&working, channels)?.to_dtype(x.dtype())?)
}

/// Averages the planes of `[..., H, W]` into `size[0] * size[1]` bins, `[..., size[0], size[1]]`, as
/// PyTorch's `adaptive_avg_pool2d(x, size)` does: output `(i, j)` is the mean over rows
/// `adaptive_bin(i, H, size[0])` and columns `adaptive_bin(j, W, size[1])`.
///
/// An axis that keeps its size is not touched, and with both kept the tensor itself comes back.
/// Larger sizes are allowed and repeat samples. The element type is kept (f16 and bf16 are computed
/// in f32); any strides. Differentiable.
///
/// # Errors
/// Fewer than two axes, an empty `H` or `W`, an output size of 0, or an element type that is not
/// floating point.
pub fn adaptive_avg_pool2d(x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
    const OP: &str = "adaptive_avg_pool2d";
    check_axes(OP, "[..., H, W]", x, &["H", "W"])?;
    if size.contains(&0) {
        return Err(Error::Range {
            op: OP,
            what: "both output sizes",
            range: "at least 1",
            value: format!("{size:?}"),
        });
    }
    let mut pooled = to_working_precision(OP, x)?;
    let (rows, cols) = (x.rank() - 2, x.rank() - 1);
    // The mean over a rectangle is the mean over its rows of their means: one axis at a time, each
    // as the channels of [..., n, 1, m].
    if size[0] != x.dims()[rows] {
        pooled = banded::pool(&pooled.unsqueeze(cols)?, size[0])?.squeeze(cols)?;
    }
    if size[1] != x.dims()[cols] {
        let turned = pooled.transpose(rows, cols)?.unsqueeze(cols)?;
        pooled = banded::pool(&turned, size[1])?
            .squeeze(cols)?
            .transpose(rows, cols)?;
    }
    Ok(pooled.to_dtype(x.dtype())?)
}
