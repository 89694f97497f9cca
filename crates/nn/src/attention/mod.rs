//! Attention layers and the operations under them.
//!
//! The layers carry timm's names and layouts. The operations take the results of the
//! linear layers: packed rows [q | k | v] of [B, N, 3C] for self-attention, also that
//! within [`Windows`], separate q, k and v for class attention. They are fused
//! ([`crate::kernels::attention`]), or [`composed`]: a layer's [`Form`](crate::Form) decides.

pub mod composed;
mod geometry;
mod layers;
mod ops;
mod passes;
mod window_op;
mod windows;

pub use geometry::Windows;
pub use layers::{Attention, ClassAttention, TalkingHeadAttention};
pub use ops::{class_attention, softmax_attention, talking_attention};
pub use window_op::window_attention;
pub use windows::WindowAttention;
