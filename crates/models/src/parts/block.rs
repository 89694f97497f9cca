//! The transformer block on patch tokens.

use candle_core::Tensor;
use spectralkd_nn::{
    Attention, Builder, DropPath, LayerNorm, LayerScale, Mlp, Pass, Residual, TalkingHeadAttention,
    WindowAttention, Windows,
};

use crate::sizes::BlockSizes;
use crate::{Result, cost};

/// What tells the blocks of the families apart, apart from how they mix tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockStyle {
    /// The epsilon of the norms.
    pub epsilon: f64,
    /// The first value of LayerScale, if there is one.
    pub layer_scale: Option<f64>,
}

/// How the tokens of an image see each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mixing {
    /// Every token attends to all.
    Plain,
    /// The same, with heads mixed before and after the softmax.
    TalkingHeads,
    /// Every token attends to those of its window: rows and columns of the map, of a window, of the shift.
    Windows {
        map: [usize; 2],
        size: [usize; 2],
        shift: [usize; 2],
    },
}

/// `x + attn(norm1(x))`, then `x + mlp(norm2(x))`, the branches with LayerScale and drop path.
#[derive(Debug)]
pub(crate) struct Block {
    norm1: LayerNorm,
    attention: Mixer,
    attention_end: Residual,
    norm2: LayerNorm,
    mlp: Mlp,
    mlp_end: Residual,
}

/// The attention of a [`Mixing`].
#[derive(Debug)]
enum Mixer {
    Plain(Attention),
    TalkingHeads(TalkingHeadAttention),
    Windows(WindowAttention),
}

impl Block {
    /// A block with the drop-path probability `drop`, its parameters under timm's names.
    pub fn new(
        sizes: BlockSizes,
        mixing: Mixing,
        style: BlockStyle,
        drop: f64,
        vb: Builder,
    ) -> Result<Self> {
        let BlockSizes {
            width,
            heads,
            hidden,
        } = sizes;
        let attn = vb.pp("attn");
        let attention = match mixing {
            Mixing::Plain => Mixer::Plain(Attention::new(width, heads, true, attn)?),
            Mixing::TalkingHeads => {
                Mixer::TalkingHeads(TalkingHeadAttention::new(width, heads, true, attn)?)
            }
            Mixing::Windows { map, size, shift } => {
                let windows = Windows::new(map, size, shift)?;
                Mixer::Windows(WindowAttention::new(width, heads, windows, true, attn)?)
            }
        };
        let [attention_end, mlp_end] = branch_ends(width, style.layer_scale, drop, &vb)?;
        Ok(Self {
            norm1: LayerNorm::new(width, style.epsilon, vb.pp("norm1"))?,
            attention,
            attention_end,
            norm2: LayerNorm::new(width, style.epsilon, vb.pp("norm2"))?,
            mlp: Mlp::new(width, hidden, vb.pp("mlp"))?,
            mlp_end,
        })
    }

    /// Tokens [B, T, C] to tokens [B, T, C].
    pub fn forward(&self, tokens: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (norm, end) = (&self.norm1, &self.attention_end);
        let tokens = match &self.attention {
            Mixer::Plain(attention) => end.branch(tokens, norm, attention, pass)?,
            Mixer::TalkingHeads(attention) => end.branch(tokens, norm, attention, pass)?,
            Mixer::Windows(attention) => end.branch(tokens, norm, attention, pass)?,
        };
        Ok(self.mlp_end.branch(&tokens, &self.norm2, &self.mlp, pass)?)
    }

    /// The first `count` of the tokens that [`forward`](Self::forward) gives, [B, count, C]. Past
    /// the attention every token goes on by itself, so that the others are left out where the
    /// attention allows it; the result is the same, on a CPU in f32 to the bit.
    pub fn forward_first(&self, tokens: &Tensor, count: usize, pass: &Pass) -> Result<Tensor> {
        let Mixer::Plain(attention) = &self.attention else {
            return Ok(self.forward(tokens, pass)?.narrow(1, 0, count)?);
        };
        let branch = attention.forward_first(&self.norm1.forward(tokens)?, count)?;
        let first = tokens.narrow(1, 0, count)?;
        let first = self.attention_end.forward(&first, &branch, pass)?;
        Ok(self.mlp_end.branch(&first, &self.norm2, &self.mlp, pass)?)
    }

    /// Multiply-accumulates of one image with `tokens` tokens.
    pub fn macs(sizes: BlockSizes, mixing: Mixing, tokens: usize) -> u128 {
        let BlockSizes {
            width,
            heads,
            hidden,
        } = sizes;
        let attention = match mixing {
            Mixing::Plain => cost::attention(tokens, width),
            Mixing::TalkingHeads => {
                cost::attention(tokens, width) + cost::talking_heads(tokens, heads)
            }
            Mixing::Windows { map, size, .. } => cost::window_attention(map, size, width),
        };
        2 * cost::layer_norm(tokens, width) + attention + cost::mlp(tokens, width, hidden)
    }
}

/// The ends of a block's two branches: `gamma_1` and `gamma_2` if there is LayerScale, and drop path
/// with draws of its own for each.
pub(super) fn branch_ends(
    width: usize,
    layer_scale: Option<f64>,
    drop: f64,
    vb: &Builder,
) -> Result<[Residual; 2]> {
    let end = |gamma: &str, branch: &str| -> Result<Residual> {
        let scale = layer_scale
            .map(|first| LayerScale::new(width, first, gamma, vb.clone()))
            .transpose()?;
        Ok(Residual::new(
            scale,
            DropPath::new(drop, format!("{}.{branch}", vb.prefix()))?,
            vb.form(),
        ))
    };
    Ok([end("gamma_1", "attn")?, end("gamma_2", "mlp")?])
}
