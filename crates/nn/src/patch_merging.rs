//! Halving a map between the stages of a Swin transformer.

use candle_core::Tensor;

use crate::builder::{Builder, Form};
use crate::error::{Error, Result};
use crate::layer_norm::LayerNorm;
use crate::linear::Linear;
use crate::tokens;

/// Joins every 2 x 2 tokens of a map ([`tokens::merge`]), norms them, and maps them
/// linearly (Liu et al. 2021, Swin Transformer; timm's `PatchMerging`).
#[derive(Clone, Debug)]
pub struct PatchMerging {
    norm: LayerNorm,
    reduction: Linear,
    map: [usize; 2],
    form: Form,
}

impl PatchMerging {
    /// From a map of `map` (H, W) tokens of `dim` channels to one of half its sides, rounded
    /// up, of `outputs` channels, with the parameters `norm.weight` and `norm.bias`
    /// `[4 dim]` (`eps` is 1e-5 in timm's Swin) and `reduction.weight` [outputs, 4 dim].
    ///
    /// # Errors
    /// If a size is 0, or the builder lacks a parameter.
    pub fn new<'a>(
        dim: usize,
        outputs: usize,
        map: [usize; 2],
        eps: f64,
        vb: impl Into<Builder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        if dim == 0 || outputs == 0 || map.contains(&0) {
            return Err(Error::Config {
                layer: "PatchMerging",
                reason: format!(
                    "dim ({dim}), outputs ({outputs}) and both sides of the map ({map:?}) must be \
                     at least 1"
                ),
            });
        }
        Ok(Self {
            norm: LayerNorm::new(4 * dim, eps, vb.pp("norm"))?,
            reduction: Linear::new(4 * dim, outputs, false, vb.pp("reduction"))?,
            map,
            form: vb.form(),
        })
    }

    /// The map that comes out: half the sides, rounded up.
    pub fn map(&self) -> [usize; 2] {
        self.map.map(|side| side.div_ceil(2))
    }

    /// Tokens [B, H W, dim] to tokens [B, ceil(H / 2) ceil(W / 2), outputs].
    ///
    /// # Errors
    /// If the tensor has another shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let merged = tokens::merge(x, self.map, self.form)?;
        self.reduction.forward(&self.norm.forward(&merged)?)
    }
}
