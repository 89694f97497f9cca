//! Attention within windows: the layer.

use std::sync::Arc;

use candle_core::Tensor;

use super::composed::{self, WindowTables};
use super::geometry::Windows;
use super::window_op::{WindowOp, window_attention};
use crate::builder::{Builder, Form};
use crate::chain::{Chain, Of2};
use crate::error::{Error, Result};
use crate::kernels::attention::Partition;
use crate::linear::{LINEAR_INIT, Linear};

/// Multi-head self-attention within shifted windows, with a learnt bias for every relative
/// position (Liu et al. 2021, Swin Transformer; timm's `SwinTransformerBlock._attn` around
/// its `WindowAttention`).
///
/// The layer rolls, pads and cuts the map itself: tokens go in and come out in the map's
/// own order, row by row. Where the windows do not divide the map, padded tokens are zeros
/// before `qkv`, and take part as keys.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use spectralkd_base::random::Stream;
/// use spectralkd_nn::{Params, WindowAttention, Windows};
///
/// let params = Params::new();
/// let vb = params.builder(&Stream::new(7, "init"), DType::F32, &Device::Cpu);
/// let windows = Windows::new([14, 14], [7, 7], [3, 3])?;
/// let attention = WindowAttention::new(48, 3, windows, true, vb)?;
/// assert_eq!(params.vars()["relative_position_bias_table"].dims(), [13 * 13, 3]);
///
/// let tokens = Tensor::ones((2, 14 * 14, 48), DType::F32, &Device::Cpu)?;
/// assert_eq!(attention.forward(&tokens)?.dims(), [2, 14 * 14, 48]);
/// # Ok::<(), spectralkd_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WindowAttention {
    qkv: Linear,
    proj: Linear,
    table: Tensor,
    heads: usize,
    windows: Windows,
    partition: Arc<Partition>,
    form: Form,
    /// In the composed form.
    tables: Option<WindowTables>,
}

impl WindowAttention {
    /// Attention of `heads` heads over `dim` channels with the parameters of
    /// [`Attention::new`](super::Attention::new), and
    /// `relative_position_bias_table` [(2h - 1) (2w - 1), heads], N(0, 0.02) at first, for
    /// windows of h x w tokens.
    ///
    /// # Errors
    /// If `heads` does not divide `dim`, the windows cannot be made ([`Windows::check`]), or
    /// the builder lacks a parameter.
    pub fn new<'a>(
        dim: usize,
        heads: usize,
        windows: Windows,
        qkv_bias: bool,
        vb: impl Into<Builder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        super::layers::check("WindowAttention", dim, heads)?;
        let windows = windows.check()?;
        let table = (windows.positions(), heads);
        Ok(Self {
            qkv: Linear::new(dim, 3 * dim, qkv_bias, vb.pp("qkv"))?,
            proj: Linear::new(dim, dim, true, vb.pp("proj"))?,
            table: vb.get(table, "relative_position_bias_table", LINEAR_INIT)?,
            heads,
            windows,
            partition: Arc::new(windows.partition()?),
            form: vb.form(),
            tables: match vb.form() {
                Form::Kernels => None,
                Form::Composed => Some(WindowTables::new(&windows, vb.dtype(), vb.device())?),
            },
        })
    }

    /// Tokens [B, H W, dim] of a map to tokens [B, H W, dim].
    ///
    /// # Errors
    /// If the tensor has another shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        if let Some(tables) = &self.tables {
            return self.composed(x, tables);
        }
        // The linear maps act token by token, so that they take the map as it lies; the
        // kernel finds its windows' tokens in it.
        let padding = self.windows.padding();
        let qkv = match padding {
            0 => self.qkv.forward(x)?,
            _ => self.qkv.forward(&x.pad_with_zeros(1, 0, padding)?)?,
        };
        let mixed = window_attention(&qkv, &self.table, &self.partition, self.heads)?;
        let mixed = match padding {
            0 => mixed,
            _ => mixed.narrow(1, 0, self.windows.tokens())?,
        };
        self.proj.forward(&mixed)
    }

    /// The layer as links, where it has kernels and windows that divide the map.
    pub(crate) fn links(&self, x: &Tensor) -> Result<Option<Chain>> {
        self.check(x)?;
        if self.windows.padding() > 0 {
            return Ok(None);
        }
        let op = WindowOp {
            partition: self.partition.clone(),
            heads: self.heads,
        };
        let op = Box::new(Of2(op, self.table.clone()));
        super::layers::links(x, &self.qkv, op, &self.proj, self.form)
    }

    fn composed(&self, x: &Tensor, tables: &WindowTables) -> Result<Tensor> {
        let windows = &self.windows;
        let qkv = self.qkv.forward(&composed::window_partition(x, windows)?)?;
        let mixed = composed::biased_attention(&qkv, &self.table, windows, tables, self.heads)?;
        composed::window_reverse(&self.proj.forward(&mixed)?, windows)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        let (tokens, dim) = (self.windows.tokens(), self.proj.sizes()?.0);
        if x.rank() == 3 && x.dims()[1..] == [tokens, dim] {
            return Ok(());
        }
        let [height, width] = self.windows.map;
        Err(Error::Shape {
            layer: "WindowAttention",
            expected: format!("[batch, {tokens}, {dim}] for a map of {height} x {width} tokens"),
            got: x.dims().to_vec(),
        })
    }
}
