//! Images to rows of patch embeddings.

use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use candle_nn::Init;

use crate::builder::{Builder, Form};
use crate::error::{Error, Result};
use crate::kernels::linear::Wanted;
use crate::kernels::patches::{self as kernel, Grid};
use crate::kernels::simd;
use crate::kernels::storage::{numbers, only_f32, slice, tensor, wanted};

/// Cuts images into square patches and maps each linearly: the convolution whose stride is
/// its kernel (timm's `PatchEmbed` with `flatten`), as a product of matrices.
///
/// The images get a gradient only if they are tracked.
#[derive(Clone, Debug)]
pub struct PatchEmbed {
    weight: Tensor,
    bias: Tensor,
    patch: usize,
    form: Form,
}

impl PatchEmbed {
    /// From `in_chans` channels in patches of `patch` by `patch` pixels to `embed_dim`
    /// numbers, with the parameters `proj.weight` [embed_dim, in_chans, patch, patch] and
    /// `proj.bias` `[embed_dim]`, both uniform in +-1 / sqrt(in_chans patch^2) at first (a
    /// convolution's default in PyTorch, which timm leaves).
    pub fn new<'a>(
        in_chans: usize,
        embed_dim: usize,
        patch: usize,
        vb: impl Into<Builder<'a>>,
    ) -> Result<Self> {
        if in_chans * embed_dim * patch == 0 {
            return Err(Error::Config {
                layer: "PatchEmbed",
                reason: format!(
                    "in_chans ({in_chans}), embed_dim ({embed_dim}) and patch ({patch}) must be \
                     at least 1"
                ),
            });
        }
        let bound = 1.0 / ((in_chans * patch * patch) as f64).sqrt();
        let init = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        let vb = vb.into().pp("proj");
        Ok(Self {
            weight: vb.get((embed_dim, in_chans, patch, patch), "weight", init)?,
            bias: vb.get(embed_dim, "bias", init)?,
            patch,
            form: vb.form(),
        })
    }

    /// The patches of `images` [B, C, H, W] as [B, H/p * W/p, embed_dim], row by row of the
    /// image. H and W must be multiples of the patch size.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        self.check(images)?;
        if self.form == Form::Composed {
            return self.composed(images);
        }
        Ok(images.apply_op3(&self.weight, &self.bias, PatchOp)?)
    }

    fn composed(&self, images: &Tensor) -> Result<Tensor> {
        self.check(images)?;
        let (batch, channels, height, width) = images.dims4()?;
        let (p, outputs) = (self.patch, self.bias.elem_count());
        let (down, across) = (height / p, width / p);
        let rows = images.reshape(vec![batch, channels, down, p, across, p])?;
        let rows = rows.permute([0, 2, 4, 1, 3, 5])?.contiguous()?;
        let rows = rows.reshape((batch * down * across, channels * p * p))?;
        let weight = self.weight.reshape((outputs, channels * p * p))?;
        let y = rows.matmul(&weight.t()?)?.broadcast_add(&self.bias)?;
        Ok(y.reshape((batch, down * across, outputs))?)
    }

    fn check(&self, images: &Tensor) -> Result<()> {
        let (channels, p) = (self.weight.dim(1)?, self.patch);
        if let &[_, c, height, width] = images.dims()
            && (c, height % p, width % p) == (channels, 0, 0)
            && height * width > 0
        {
            return Ok(());
        }
        Err(Error::Shape {
            layer: "PatchEmbed",
            expected: format!(
                "[batch, {channels}, height, width] with height and width multiples of the patch \
                 size {p}"
            ),
            got: images.dims().to_vec(),
        })
    }
}

/// images [B, C, H, W], weight [out, C, p, p] and bias [out] to [B, patches, out].
struct PatchOp;

fn grid(images: &Shape, weight: &Shape) -> candle_core::Result<Grid> {
    let (_, channels, height, width) = images.dims4()?;
    let (_, _, patch, _) = weight.dims4()?;
    Ok(Grid {
        channels,
        height,
        width,
        patch,
    })
}

impl CustomOp3 for PatchOp {
    fn name(&self) -> &'static str {
        "patch-embed"
    }

    fn cpu_fwd(
        &self,
        images: &CpuStorage,
        images_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let grid = grid(images_layout.shape(), weight_layout.shape())?;
        let shape = (
            images_layout.shape().dims4()?.0,
            grid.patches(),
            bias_layout.shape().elem_count(),
        );
        only_f32(self.name(), images)?;
        let (weight, bias) = (slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        let y = kernel::forward(grid, &slice(images, images_layout)?, &weight, &bias);
        Ok((CpuStorage::F32(y), shape.into()))
    }

    fn bwd(
        &self,
        images: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grid = grid(images.shape(), weight.shape())?;
        let want = Wanted {
            dx: images.track_op(),
            sums: weight.track_op() || bias.track_op(),
        };
        let (pixels, w, dy) = (numbers(images)?, numbers(weight)?, numbers(dy)?);
        let (dimages, sums) = kernel::backward(simd::best(), grid, &pixels, &w, &dy, want);
        let dimages = want
            .dx
            .then(|| tensor(dimages, images.shape()))
            .transpose()?;
        if !want.sums {
            return Ok((dimages, None, None));
        }
        let len = sums.len();
        let sums = tensor(sums, len)?;
        let at = weight.elem_count();
        let dw = sums.narrow(0, 0, at)?.reshape(weight.shape())?;
        let db = sums.narrow(0, at, bias.elem_count())?;
        Ok((
            wanted(images, dimages),
            wanted(weight, dw),
            wanted(bias, db),
        ))
    }
}
