//! The parts that the families' models are put together from.
//!
//! | part | what it is | timm's names |
//! |---|---|---|
//! | [`Stem`] | image to tokens | `patch_embed.{proj,norm}.*`, `pos_embed`, `cls_token`, `dist_token` |
//! | [`Block`] | attention of one of three kinds and MLP on all tokens | `norm1 attn.* gamma_1 norm2 mlp.* gamma_2` |
//! | [`Trunk`] | a row of blocks, with taps (DeiT, CaiT) | `blocks.N.*` |
//! | [`Stage`] | patch merging and a row of blocks, with one tap (Swin) | `layers.N.{downsample,blocks.M}.*` |
//! | [`ClassToken`], [`ClassBlock`] | attention and MLP on the class token (CaiT) | as a block, with `attn.{q,k,v}` |
//! | [`Head`] | tokens to logits | `norm.*`, `head.*`, `head_dist.*`, `head.fc.*` |

mod block;
mod class_block;
mod class_token;
mod head;
mod stage;
mod stem;
mod trunk;

pub(crate) use block::{Block, BlockStyle, Mixing};
pub(crate) use class_block::ClassBlock;
pub(crate) use class_token::ClassToken;
pub(crate) use head::Head;
pub(crate) use stage::Stage;
pub(crate) use stem::Stem;
pub(crate) use trunk::Trunk;
