//! The layers, with timm's names. Linear weights are N(0, 0.02) at first and biases 0, those
//! of the head mixing too, as timm's `Cait._init_weights` has it.

use candle_core::Tensor;

use super::{class_attention, composed, ops, softmax_attention, talking_attention};
use crate::builder::{Builder, Form};
use crate::chain::{Chain, Of1, Of2, Operation};
use crate::error::{Error, Result};
use crate::linear::Linear;

/// Multi-head self-attention (timm's `Attention` without norms and dropout).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use spectralkd_base::random::Stream;
/// use spectralkd_nn::{Attention, Params};
///
/// let params = Params::new();
/// let vb = params.builder(&Stream::new(7, "init"), DType::F32, &Device::Cpu);
/// let attention = Attention::new(48, 3, true, vb)?;
/// let names: Vec<String> = params.vars().into_keys().collect();
/// assert_eq!(names, ["proj.bias", "proj.weight", "qkv.bias", "qkv.weight"]);
///
/// let tokens = Tensor::ones((2, 50, 48), DType::F32, &Device::Cpu)?;
/// assert_eq!(attention.forward(&tokens)?.dims(), [2, 50, 48]);
/// # Ok::<(), spectralkd_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Attention {
    qkv: Linear,
    proj: Linear,
    heads: usize,
    form: Form,
}

impl Attention {
    /// Attention of `heads` heads over `dim` channels with the parameters `qkv.weight`
    /// [3 dim, dim], whose rows are q, k and v, each head after head, `qkv.bias` [3 dim] if
    /// `qkv_bias`, `proj.weight` \[dim, dim\] and `proj.bias` \[dim\].
    ///
    /// # Errors
    /// If `heads` does not divide `dim`, or the builder lacks a parameter.
    pub fn new<'a>(
        dim: usize,
        heads: usize,
        qkv_bias: bool,
        vb: impl Into<Builder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        check("Attention", dim, heads)?;
        Ok(Self {
            qkv: Linear::new(dim, 3 * dim, qkv_bias, vb.pp("qkv"))?,
            proj: Linear::new(dim, dim, true, vb.pp("proj"))?,
            heads,
            form: vb.form(),
        })
    }

    /// The layer as links, where it has kernels.
    pub(crate) fn links(&self, x: &Tensor) -> Result<Option<Chain>> {
        let op = ops::SoftmaxAttention { heads: self.heads };
        links(x, &self.qkv, Box::new(Of1(op)), &self.proj, self.form)
    }

    /// Tokens [B, N, dim] to tokens [B, N, dim].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.proj.forward(&self.mixed(x)?)
    }

    /// The first `count` tokens of the result, [B, count, dim], for less work than all of them.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn forward_first(&self, x: &Tensor, count: usize) -> Result<Tensor> {
        self.proj.forward(&self.mixed(x)?.narrow(1, 0, count)?)
    }

    /// The values of each token, mixed by head: [B, N, dim].
    fn mixed(&self, x: &Tensor) -> Result<Tensor> {
        let qkv = self.qkv.forward(x)?;
        match self.form {
            Form::Kernels => softmax_attention(&qkv, self.heads),
            Form::Composed => composed::softmax_attention(&qkv, self.heads),
        }
    }
}

/// Self-attention whose heads are mixed before and after the softmax (CaiT's patch blocks;
/// timm's `TalkingHeadAttn`).
#[derive(Clone, Debug)]
pub struct TalkingHeadAttention {
    attention: Attention,
    proj_l: Linear,
    proj_w: Linear,
}

impl TalkingHeadAttention {
    /// [`Attention::new`]'s parameters, and for the mixing before the softmax
    /// `proj_l.weight` \[heads, heads\] and `proj_l.bias` \[heads\], for that after it
    /// `proj_w.weight` and `proj_w.bias`.
    ///
    /// # Errors
    /// If `heads` does not divide `dim`, the builder lacks a parameter, or those of the mixing are bf16.
    pub fn new<'a>(
        dim: usize,
        heads: usize,
        qkv_bias: bool,
        vb: impl Into<Builder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        check("TalkingHeadAttention", dim, heads)?;
        let layer = Self {
            attention: Attention::new(dim, heads, qkv_bias, vb.clone())?,
            proj_l: Linear::new(heads, heads, true, vb.pp("proj_l"))?,
            proj_w: Linear::new(heads, heads, true, vb.pp("proj_w"))?,
        };
        // The mixing works on tensors; it is told now rather than in the first forward pass.
        layer.mixing()?;
        Ok(layer)
    }

    /// The layer as links, where it has kernels.
    pub(crate) fn links(&self, x: &Tensor) -> Result<Option<Chain>> {
        let own = &self.attention;
        let op = ops::TalkingAttention { heads: own.heads };
        let op = Box::new(Of2(op, self.mixing()?));
        links(x, &own.qkv, op, &own.proj, own.form)
    }

    /// Tokens [B, N, dim] to tokens [B, N, dim].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let own = &self.attention;
        let (qkv, mixing) = (own.qkv.forward(x)?, self.mixing()?);
        let mixed = match own.form {
            Form::Kernels => talking_attention(&qkv, &mixing, own.heads)?,
            Form::Composed => composed::talking_attention(&qkv, &mixing, own.heads)?,
        };
        own.proj.forward(&mixed)
    }

    /// The mixing parameters as one vector ([`crate::kernels::attention::Mixing`]).
    fn mixing(&self) -> Result<Tensor> {
        let mut parts = Vec::with_capacity(4);
        for linear in [&self.proj_l, &self.proj_w] {
            parts.push(linear.weight()?.flatten_all()?);
            parts.extend(linear.bias().cloned());
        }
        Ok(Tensor::cat(&parts, 0)?)
    }
}

/// Attention of the class token, token 0, to all tokens (CaiT's last blocks; timm's
/// `ClassAttn`).
#[derive(Clone, Debug)]
pub struct ClassAttention {
    q: Linear,
    k: Linear,
    v: Linear,
    proj: Linear,
    heads: usize,
    form: Form,
}

impl ClassAttention {
    /// Attention of `heads` heads over `dim` channels with the parameters `q.weight`,
    /// `k.weight`, `v.weight` and `proj.weight` \[dim, dim\], `proj.bias` \[dim\], and if
    /// `qkv_bias` `q.bias`, `k.bias` and `v.bias` \[dim\].
    ///
    /// # Errors
    /// If `heads` does not divide `dim`, or the builder lacks a parameter.
    pub fn new<'a>(
        dim: usize,
        heads: usize,
        qkv_bias: bool,
        vb: impl Into<Builder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        check("ClassAttention", dim, heads)?;
        let linear = |name| Linear::new(dim, dim, qkv_bias, vb.pp(name));
        Ok(Self {
            q: linear("q")?,
            k: linear("k")?,
            v: linear("v")?,
            proj: Linear::new(dim, dim, true, vb.pp("proj"))?,
            heads,
            form: vb.form(),
        })
    }

    /// Tokens [B, N, dim], the class token first, to the class token [B, 1, dim].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let q = self.q.forward(&class_token(x)?)?;
        let (k, v) = (self.k.forward(x)?, self.v.forward(x)?);
        let mixed = match self.form {
            Form::Kernels => class_attention(&q, &k, &v, self.heads)?,
            Form::Composed => composed::class_attention(&q, &k, &v, self.heads)?,
        };
        self.proj.forward(&mixed)
    }
}

/// The links of `qkv`, of an `operation` from q, k and v to tokens, and of `proj`, where they have
/// kernels.
pub(super) fn links(
    x: &Tensor,
    qkv: &Linear,
    operation: Box<dyn Operation>,
    proj: &Linear,
    form: Form,
) -> Result<Option<Chain>> {
    qkv.check(x)?;
    let links = (qkv.operation(), proj.operation());
    match (links, form) {
        ((Some(qkv), Some(proj)), Form::Kernels) => Ok(Some(vec![qkv, operation, proj])),
        _ => Ok(None),
    }
}

/// Token 0, [B, 1, dim].
fn class_token(x: &Tensor) -> Result<Tensor> {
    match *x.dims() {
        [_, tokens, _] if tokens > 0 => Ok(x.narrow(1, 0, 1)?),
        _ => Err(Error::Shape {
            layer: "ClassAttention",
            expected: "[B, N, dim] with the class token first".into(),
            got: x.dims().to_vec(),
        }),
    }
}

pub(super) fn check(layer: &'static str, dim: usize, heads: usize) -> Result<()> {
    if dim > 0 && heads > 0 && dim.is_multiple_of(heads) {
        return Ok(());
    }
    let reason = format!(
        "{dim} channels cannot be cut into {heads} heads: the number of heads must divide that of channels"
    );
    Err(Error::Config { layer, reason })
}
