//! Tokens on their way into a transformer (class token, positions) and out of it (maps).

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Shape, Tensor};

use crate::error::{Error, Result};
use crate::kernels::simd;
use crate::kernels::storage::{numbers, slice, tensor, unsupported, wanted};
use crate::kernels::tokens::{self as kernel, Sizes};
use crate::scalar::tokens as twin;

/// Puts the tokens `prefix` [1, P, C] (class token, distillation token) before the patch
/// tokens `x` [B, N, C] of every image and adds the position embedding [1, P + N, C];
/// without a prefix P is 0. Gives [B, P + N, C]. F32 or F64 on a CPU.
pub fn assemble(x: &Tensor, prefix: Option<&Tensor>, position: &Tensor) -> Result<Tensor> {
    check_assembly(x, prefix, position)?;
    if !x.device().is_cpu() {
        return assemble_composed(x, prefix, position);
    }
    Ok(match prefix {
        Some(prefix) => x.apply_op3(prefix, position, Assemble)?,
        None => x.apply_op2(position, Assemble)?,
    })
}

/// [`assemble`] out of candle's own operations: the path of other devices.
pub fn assemble_composed(x: &Tensor, prefix: Option<&Tensor>, position: &Tensor) -> Result<Tensor> {
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
/// first `prefix` tokens are left out. F32 or F64 on a CPU.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let tokens = Tensor::arange(0f32, 14.0, &Device::Cpu)?.reshape((1, 7, 2))?;
/// let map = spectralkd_nn::tokens::to_map(&tokens, 1, [2, 3])?;
/// assert_eq!(map.dims(), [1, 2, 2, 3]);
/// assert_eq!(map.flatten_all()?.to_vec1::<f32>()?[..6], [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
/// # Ok::<(), spectralkd_nn::Error>(())
/// ```
pub fn to_map(x: &Tensor, prefix: usize, [height, width]: [usize; 2]) -> Result<Tensor> {
    check_map(x, prefix, [height, width])?;
    if !x.device().is_cpu() {
        return to_map_composed(x, prefix, [height, width]);
    }
    Ok(x.apply_op1(Map {
        prefix,
        height,
        width,
    })?)
}

/// [`to_map`] out of candle's own operations: the path of other devices.
pub fn to_map_composed(x: &Tensor, prefix: usize, [height, width]: [usize; 2]) -> Result<Tensor> {
    check_map(x, prefix, [height, width])?;
    let (batch, _, channels) = x.dims3()?;
    let map = x
        .narrow(1, prefix, height * width)?
        .transpose(1, 2)?
        .contiguous()?;
    Ok(map.reshape((batch, channels, height, width))?)
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

/// x [B, N, C], perhaps prefix [1, P, C], and position [1, P + N, C].
struct Assemble;

impl Assemble {
    fn sizes(x: &Shape, position: &Shape) -> candle_core::Result<Sizes> {
        let ((_, patches, channels), tokens) = (x.dims3()?, position.dims3()?.1);
        Ok(Sizes {
            prefix: tokens - patches,
            patches,
            channels,
        })
    }

    fn forward(
        x: (&CpuStorage, &Layout),
        prefix: Option<(&CpuStorage, &Layout)>,
        position: (&CpuStorage, &Layout),
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let sizes = Self::sizes(x.1.shape(), position.1.shape())?;
        let y = match x.0 {
            CpuStorage::F32(_) => {
                let prefix = prefix
                    .map(|p| slice(p.0, p.1))
                    .transpose()?
                    .unwrap_or_default();
                let (x, position) = (slice(x.0, x.1)?, slice(position.0, position.1)?);
                CpuStorage::F32(kernel::assemble(sizes, &x, &prefix, &position))
            }
            CpuStorage::F64(_) => {
                let prefix = prefix
                    .map(|p| slice(p.0, p.1))
                    .transpose()?
                    .unwrap_or_default();
                let (x, position) = (slice(x.0, x.1)?, slice(position.0, position.1)?);
                CpuStorage::F64(twin::assemble(sizes, &x, &prefix, &position))
            }
            _ => return Err(unsupported("assemble-tokens", x.0)),
        };
        let batch = x.1.shape().dims3()?.0;
        Ok((
            y,
            (batch, sizes.prefix + sizes.patches, sizes.channels).into(),
        ))
    }

    /// The gradients of x, if it is wanted, and of the positions, if `sums`.
    fn backward(
        x: &Tensor,
        position: &Tensor,
        sums: bool,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let sizes = Self::sizes(x.shape(), position.shape())?;
        let dx = if !x.track_op() {
            None
        } else if sizes.prefix == 0 {
            Some(dy.clone())
        } else if x.dtype() == DType::F64 {
            Some(tensor(
                twin::without_prefix::<f64>(sizes, &numbers(dy)?),
                x.shape(),
            )?)
        } else {
            Some(tensor(
                kernel::without_prefix(sizes, &numbers(dy)?),
                x.shape(),
            )?)
        };
        let sum = if !sums {
            None
        } else if x.dtype() == DType::F64 {
            Some(tensor(
                twin::sum_over_batch::<f64>(sizes, &numbers(dy)?),
                position.shape(),
            )?)
        } else {
            let sum = kernel::sum_over_batch(simd::best(), sizes, &numbers(dy)?);
            Some(tensor(sum, position.shape())?)
        };
        Ok((dx, sum))
    }
}

impl CustomOp3 for Assemble {
    fn name(&self) -> &'static str {
        "assemble-tokens"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        prefix: &CpuStorage,
        prefix_layout: &Layout,
        position: &CpuStorage,
        position_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Self::forward(
            (x, x_layout),
            Some((prefix, prefix_layout)),
            (position, position_layout),
        )
    }

    fn bwd(
        &self,
        x: &Tensor,
        prefix: &Tensor,
        position: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let sums = prefix.track_op() || position.track_op();
        let (dx, sum) = Self::backward(x, position, sums, dy)?;
        let Some(sum) = sum else {
            return Ok((dx, None, None));
        };
        let dprefix = sum.narrow(1, 0, prefix.dim(1)?)?;
        Ok((dx, wanted(prefix, dprefix), wanted(position, sum)))
    }
}

impl CustomOp2 for Assemble {
    fn name(&self) -> &'static str {
        "assemble-tokens"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        position: &CpuStorage,
        position_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Self::forward((x, x_layout), None, (position, position_layout))
    }

    fn bwd(
        &self,
        x: &Tensor,
        position: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        Self::backward(x, position, position.track_op(), dy)
    }
}

/// x [B, P + H W, C] to [B, C, H, W].
struct Map {
    prefix: usize,
    height: usize,
    width: usize,
}

impl Map {
    fn sizes(&self, channels: usize) -> Sizes {
        let (prefix, patches) = (self.prefix, self.height * self.width);
        Sizes {
            prefix,
            patches,
            channels,
        }
    }
}

impl CustomOp1 for Map {
    fn name(&self) -> &'static str {
        "tokens-to-map"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (batch, _, channels) = layout.shape().dims3()?;
        let sizes = self.sizes(channels);
        let map = match x {
            CpuStorage::F32(_) => CpuStorage::F32(kernel::to_map(sizes, &slice(x, layout)?)),
            CpuStorage::F64(_) => CpuStorage::F64(twin::to_map(sizes, &slice(x, layout)?)),
            _ => return Err(unsupported(self.name(), x)),
        };
        Ok((map, (batch, channels, self.height, self.width).into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dm: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let sizes = self.sizes(x.dim(2)?);
        Ok(Some(if x.dtype() == DType::F64 {
            tensor(twin::from_map::<f64>(sizes, &numbers(dm)?), x.shape())?
        } else {
            tensor(kernel::from_map(sizes, &numbers(dm)?), x.shape())?
        }))
    }
}
