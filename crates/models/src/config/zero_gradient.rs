//! Parameters that cannot matter.

use std::ops::Range;

use super::{ModelConfig, SwinConfig};

impl ModelConfig {
    /// Where the gradient of the parameter `name` is zero in exact arithmetic: a range along its first axis.
    /// `None` for parameters (and other names) of which no part is exempt.
    ///
    /// Softmax ignores what is added to all of a row's logits. A key's bias adds q·b to every logit of query q
    /// alike (in Swin's padded windows too, whose padding has the bias for its key): the middle third of
    /// `*.attn.qkv.bias`, and all of `*.attn.k.bias` in CaiT's class attention. So does the bias of CaiT's first
    /// talking-heads projection, `*.attn.proj_l.bias`. Their computed gradients are rounding noise. The range
    /// follows the name and the configured width; it is not checked that the model has the block.
    ///
    /// Not listed: where a token has only itself to attend to (a Swin's map of one token), no query, key or
    /// position bias matters.
    pub fn zero_gradient(&self, name: &str) -> Option<Range<usize>> {
        let (module, parameter) = name.rsplit_once(".attn.")?;
        let token_only = module.starts_with("blocks_token_only.");
        let keys = |width: usize| Some(width..width.checked_mul(2)?);
        match (self, parameter) {
            (Self::Deit(c), "qkv.bias") => keys(c.embed_dim),
            (Self::Cait(c), "qkv.bias") if !token_only => keys(c.embed_dim),
            (Self::Cait(c), "proj_l.bias") if !token_only => Some(0..c.num_heads),
            (Self::Cait(c), "k.bias") if token_only => Some(0..c.embed_dim),
            (Self::Swin(c), "qkv.bias") => stage_width(c, module).and_then(keys),
            _ => None,
        }
    }
}

/// Channels of the stage that the module `layers.STAGE.blocks.N` is in.
fn stage_width(config: &SwinConfig, module: &str) -> Option<usize> {
    let stage = module.strip_prefix("layers.")?.split('.').next()?;
    let stage: u32 = stage.parse().ok()?;
    config.embed_dim.checked_mul(2usize.checked_pow(stage)?)
}
