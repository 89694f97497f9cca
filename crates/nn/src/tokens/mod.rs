//! Tokens on their way into a transformer (class token, positions) and out of it (maps).

mod merge;
mod ops;

use candle_core::Tensor;

use crate::builder::Form;
use crate::error::{Error, Result};
use crate::kernels::merge::Sizes;
use merge::Merge;
use ops::{Assemble, Map};

/// Puts the tokens `prefix` [1, P, C] (class token, distillation token) before the patch
/// tokens `x` [B, N, C] of every image and adds the position embedding [1, P + N, C];
/// without a prefix P is 0. Gives [B, P + N, C].
pub fn assemble(
    x: &Tensor,
    prefix: Option<&Tensor>,
    position: &Tensor,
    form: Form,
) -> Result<Tensor> {
    check_assembly(x, prefix, position)?;
    if form == Form::Composed {
        return assemble_composed(x, prefix, position);
    }
    Ok(match prefix {
        Some(prefix) => x.apply_op3(prefix, position, Assemble)?,
        None => x.apply_op2(position, Assemble)?,
    })
}

fn assemble_composed(x: &Tensor, prefix: Option<&Tensor>, position: &Tensor) -> Result<Tensor> {
    check_assembly(x, prefix, position)?;
    let x = match prefix {
        Some(prefix) => {
            let (batch, _, channels) = x.dims3()?;
            let prefix = prefix.expand((batch, prefix.dim(1)?, channels))?;
            Tensor::cat(&[&prefix, x], 1)?
        }
        None => x.clone(),
    };
    Ok(x.broadcast_add(position)?)
}

/// The patch tokens of `x` [B, P + H W, C] as a feature map [B, C, H, W], contiguous; the
/// first `prefix` tokens are left out.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use spectralkd_nn::Form;
/// let tokens = Tensor::arange(0f32, 14.0, &Device::Cpu)?.reshape((1, 7, 2))?;
/// let map = spectralkd_nn::tokens::to_map(&tokens, 1, [2, 3], Form::Kernels)?;
/// assert_eq!(map.dims(), [1, 2, 2, 3]);
/// assert_eq!(map.flatten_all()?.to_vec1::<f32>()?[..6], [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
/// # Ok::<(), spectralkd_nn::Error>(())
/// ```
pub fn to_map(
    x: &Tensor,
    prefix: usize,
    [height, width]: [usize; 2],
    form: Form,
) -> Result<Tensor> {
    check_map(x, prefix, [height, width])?;
    if form == Form::Composed {
        return to_map_composed(x, prefix, [height, width]);
    }
    Ok(x.apply_op1(Map {
        prefix,
        height,
        width,
    })?)
}

fn to_map_composed(x: &Tensor, prefix: usize, [height, width]: [usize; 2]) -> Result<Tensor> {
    check_map(x, prefix, [height, width])?;
    let (batch, _, channels) = x.dims3()?;
    let map = x
        .narrow(1, prefix, height * width)?
        .transpose(1, 2)?
        .contiguous()?;
    Ok(map.reshape((batch, channels, height, width))?)
}

/// Every 2 x 2 tokens of a map side by side: x [B, H W, C] to [B, H' W', 4C] with
/// H' = ceil(H / 2) and W' = ceil(W / 2). The parts come in timm's order, (0, 0), (1, 0),
/// (0, 1), (1, 1) of (row, column); beyond the last row and column of odd sides they are
/// zeros.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use spectralkd_nn::Form;
/// let tokens = Tensor::arange(0f32, 6.0, &Device::Cpu)?.reshape((1, 6, 1))?; // 2 x 3
/// let merged = spectralkd_nn::tokens::merge(&tokens, [2, 3], Form::Kernels)?.squeeze(0)?;
/// assert_eq!(merged.to_vec2::<f32>()?, [[0.0, 3.0, 1.0, 4.0], [2.0, 5.0, 0.0, 0.0]]);
/// # Ok::<(), spectralkd_nn::Error>(())
/// ```
pub fn merge(x: &Tensor, map: [usize; 2], form: Form) -> Result<Tensor> {
    let sizes = check_merge(x, map)?;
    if form == Form::Composed {
        return merge_composed(x, map);
    }
    Ok(x.apply_op1(Merge(sizes))?)
}

fn merge_composed(x: &Tensor, [height, width]: [usize; 2]) -> Result<Tensor> {
    let sizes = check_merge(x, [height, width])?;
    let ([down, across], channels) = (sizes.merged(), sizes.channels);
    let batch = x.dim(0)?;
    let map = x.reshape((batch, height, width, channels))?;
    let map = map.pad_with_zeros(1, 0, height % 2)?;
    let map = map.pad_with_zeros(2, 0, width % 2)?;
    let parts = map.reshape(vec![batch, down, 2, across, 2, channels])?;
    let parts = parts.permute([0, 1, 3, 4, 2, 5])?.contiguous()?;
    Ok(parts.reshape((batch, down * across, 4 * channels))?)
}

/// The mean over the tokens of x [B, N, C], giving [B, C]: global average pooling. Made of
/// candle's own operations, which carry its gradient.
pub fn mean(x: &Tensor) -> Result<Tensor> {
    match x.dims() {
        [_, tokens, _] if *tokens > 0 => Ok(x.mean(1)?),
        _ => {
            let expected = "[batch, tokens, channels] with at least one token".into();
            Err(shape_error("tokens::mean", expected, x))
        }
    }
}

fn shape_error(layer: &'static str, expected: String, got: &Tensor) -> Error {
    let got = got.dims().to_vec();
    Error::Shape {
        layer,
        expected,
        got,
    }
}

fn check_assembly(x: &Tensor, prefix: Option<&Tensor>, position: &Tensor) -> Result<()> {
    let &[_, patches, channels] = x.dims() else {
        let expected = "patch tokens [batch, patches, channels]".into();
        return Err(shape_error("tokens::assemble", expected, x));
    };
    if patches * channels == 0 {
        let expected = "at least one patch and one channel".into();
        return Err(shape_error("tokens::assemble", expected, x));
    }
    let tokens = match prefix {
        None => patches,
        Some(prefix) => match prefix.dims() {
            &[1, count, c] if c == channels => count + patches,
            _ => {
                let expected = format!("prefix tokens [1, ..., {channels}]");
                return Err(shape_error("tokens::assemble", expected, prefix));
            }
        },
    };
    if position.dims() != [1, tokens, channels] {
        let expected = format!("a position embedding [1, {tokens}, {channels}]");
        return Err(shape_error("tokens::assemble", expected, position));
    }
    Ok(())
}

fn check_map(x: &Tensor, prefix: usize, [height, width]: [usize; 2]) -> Result<()> {
    if let &[_, tokens, channels] = x.dims()
        && tokens == prefix + height * width
        && height * width * channels > 0
    {
        return Ok(());
    }
    let expected = format!(
        "[batch, {}, channels] for {prefix} prefix tokens and a map of {height} x {width}",
        prefix + height * width
    );
    Err(shape_error("tokens::to_map", expected, x))
}

fn check_merge(x: &Tensor, [height, width]: [usize; 2]) -> Result<Sizes> {
    match *x.dims() {
        [_, tokens, channels] if tokens == height * width && tokens * channels > 0 => Ok(Sizes {
            height,
            width,
            channels,
        }),
        _ => {
            let expected = format!(
                "[batch, {}, channels] for a map of {height} x {width}",
                height * width
            );
            Err(shape_error("tokens::merge", expected, x))
        }
    }
}
