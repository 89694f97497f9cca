//! The residual branches of pre-norm transformers as one operation each.

use candle_core::Tensor;

use crate::attention::{Attention, TalkingHeadAttention, WindowAttention};
use crate::chain::{Chain, apply};
use crate::error::Result;
use crate::layer_norm::LayerNorm;
use crate::mlp::Mlp;
use crate::pass::Pass;
use crate::residual::Residual;

/// A layer that can stand in a residual branch: tokens [B, ..., C] to tokens of the same
/// shape.
pub trait Sublayer {
    /// The result, same shape as `x`.
    ///
    /// # Errors
    /// If `x` does not fit the layer.
    fn forward(&self, x: &Tensor) -> Result<Tensor>;

    /// The layer as operations that run one after the other on tensors of `x`'s shape, if it
    /// has such a form there. None, the default, means that [`forward`](Self::forward) is to run.
    ///
    /// # Errors
    /// As [`forward`](Self::forward)'s.
    fn operations(&self, x: &Tensor) -> Result<Option<Operations>> {
        let _ = x;
        Ok(None)
    }
}

/// A layer taken apart into operations ([`Sublayer::operations`]).
pub struct Operations(pub(crate) Chain);

impl Residual {
    /// x + drop_path(gamma * layer(norm(x))) of `x` [B, ..., C]; same shape. With kernels, the
    /// branch is one operation where the layer allows it: the results and gradients are those
    /// of the layers one by one, with less memory and fewer additions in between.
    ///
    /// # Errors
    /// If `x` does not fit a layer.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use spectralkd_base::random::Stream;
    /// use spectralkd_nn::{DropPath, Form, LayerNorm, Mlp, Params, Pass, Residual};
    ///
    /// let params = Params::new();
    /// let vb = params.builder(&Stream::new(7, "init"), DType::F32, &Device::Cpu);
    /// let norm = LayerNorm::new(48, 1e-6, vb.pp("norm2"))?;
    /// let mlp = Mlp::new(48, 192, vb.pp("mlp"))?;
    /// let residual = Residual::new(None, DropPath::new(0.0, "blocks.0.mlp")?, Form::Kernels);
    ///
    /// let x = Tensor::ones((2, 50, 48), DType::F32, &Device::Cpu)?;
    /// let y = residual.branch(&x, &norm, &mlp, &Pass::eval())?;
    /// let layers = residual.forward(&x, &mlp.forward(&norm.forward(&x)?)?, &Pass::eval())?;
    /// assert_eq!(y.to_vec3::<f32>()?, layers.to_vec3::<f32>()?);
    /// # Ok::<(), spectralkd_nn::Error>(())
    /// ```
    pub fn branch(
        &self,
        x: &Tensor,
        norm: &LayerNorm,
        layer: &impl Sublayer,
        pass: &Pass,
    ) -> Result<Tensor> {
        if let (Some(mut links), Some(layer)) = (norm.operations(x)?, layer.operations(x)?) {
            links.extend(layer.0);
            return Ok(apply(links, Some(self.end(x, pass)?), x)?);
        }
        self.forward(x, &layer.forward(&norm.forward(x)?)?, pass)
    }
}

/// The layers of this crate, by their own methods.
macro_rules! sublayer {
    ($($layer:ty),*) => {$(
        impl Sublayer for $layer {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                <$layer>::forward(self, x)
            }

            fn operations(&self, x: &Tensor) -> Result<Option<Operations>> {
                Ok(self.links(x)?.map(Operations))
            }
        }
    )*};
}

sublayer!(Attention, TalkingHeadAttention, WindowAttention, Mlp);
