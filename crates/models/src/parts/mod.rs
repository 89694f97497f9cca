//! The parts that the families' models are put together from.
//!
//! | part | what it is | timm's names |
//! |---|---|---|
//! | [`Stem`] | image to tokens | `patch_embed.proj.*`, `pos_embed`, `cls_token` |
//! | [`Block`] | attention and MLP on all tokens | `norm1 attn.* gamma_1 norm2 mlp.* gamma_2` |
//! | [`Trunk`] | a row of blocks, with taps | `blocks.N.*` |
//! | [`ClassBlock`] | attention and MLP on the class token | as a block, with `attn.{q,k,v}` |
//! | [`Head`] | class token to logits | `norm.*`, `head.*` |

mod block;
mod class_block;
mod head;
mod stem;
mod trunk;

pub(crate) use block::{Block, BlockStyle};
pub(crate) use class_block::ClassBlock;
pub(crate) use head::Head;
pub(crate) use stem::{ClassToken, Stem};
pub(crate) use trunk::Trunk;

/// The epsilon of all layer norms of DeiT and CaiT in timm.
const EPSILON: f64 = 1e-6;
