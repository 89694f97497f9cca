//! Multiply-accumulates of a forward pass, in the convention that [`crate::ModelInfo::macs`] states.
//!
//! With T tokens of width C, h heads and M hidden channels:
//!
//! | part | count |
//! |---|---|
//! | linear layer, n rows | n · in · out |
//! | layer norm, n rows | 5 · n · C |
//! | attention | T·C·3C (qkv) + 2·T²·C (scores, values) + T·C² (proj) |
//! | talking heads | the same + 2·T²·h² |
//! | window attention | attention over the W tokens of a window, times the windows, padding included |
//! | class attention | C² (q) + 2·T·C² (k, v) + 2·T·C + C² (proj) |
//! | MLP, n rows | 2 · n · C · M |
//!
//! Sums are taken in u128: no configuration that passes the checks overflows them.

/// Operations per value that fvcore counts for a layer norm with weight and bias.
const LAYER_NORM: u128 = 5;

/// A linear layer on `rows` rows; a patch embedding is one, on flattened patches.
pub(crate) fn linear(rows: usize, inputs: usize, outputs: usize) -> u128 {
    product(&[rows, inputs, outputs])
}

/// A layer norm on `rows` rows.
pub(crate) fn layer_norm(rows: usize, width: usize) -> u128 {
    LAYER_NORM * product(&[rows, width])
}

/// An MLP with one hidden layer on `rows` rows.
pub(crate) fn mlp(rows: usize, width: usize, hidden: usize) -> u128 {
    linear(rows, width, hidden) + linear(rows, hidden, width)
}

/// Multi-head self-attention over `tokens` tokens.
pub(crate) fn attention(tokens: usize, width: usize) -> u128 {
    linear(tokens, width, 3 * width)
        + 2 * product(&[tokens, tokens, width])
        + linear(tokens, width, width)
}

/// What talking heads add to [`attention`].
pub(crate) fn talking_heads(tokens: usize, heads: usize) -> u128 {
    2 * product(&[tokens, tokens, heads, heads])
}

/// Attention within windows of `size` over a map of `map` rows and columns, padded to whole windows.
pub(crate) fn window_attention(map: [usize; 2], size: [usize; 2], width: usize) -> u128 {
    let windows = map[0].div_ceil(size[0]) * map[1].div_ceil(size[1]);
    windows as u128 * attention(size[0] * size[1], width)
}

/// Attention of one query to `tokens` tokens.
pub(crate) fn class_attention(tokens: usize, width: usize) -> u128 {
    2 * linear(1, width, width) + 2 * linear(tokens, width, width) + 2 * product(&[tokens, width])
}

/// The sum as the public number.
pub(crate) fn total(macs: u128) -> u64 {
    u64::try_from(macs).unwrap_or(u64::MAX)
}

fn product(factors: &[usize]) -> u128 {
    factors.iter().map(|&factor| factor as u128).product()
}
