//! The perceptron of a transformer block, in passes over the rows:
//! h = x w1^T + b1, a = gelu(h), y = a w2^T + b2, with w1 [H, C], w2 [C, H].
//!
//! A piece of rows runs through both products of the forward pass while its h and a stay
//! in the cache; no tensor of H columns but h is written to memory there, and h only where
//! a backward pass will want it.

mod activation;
mod backward;
mod forward;

use super::linear::{Sizes, Weight};

pub use backward::backward;
pub use forward::forward;

/// The parameters: w1 [H, C], b1 `[H]`, w2 [C, H], b2 `[C]`.
#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    /// w1 followed by b1.
    pub first: &'a [f32],
    /// w2 followed by b2.
    pub second: &'a [f32],
    /// Whether both weights lie column by column ([`Weight::Columns`]).
    pub columns: bool,
    /// C.
    pub channels: usize,
    /// H.
    pub hidden: usize,
}

impl<'a> Parameters<'a> {
    /// The products of `rows` rows.
    fn sizes(&self, rows: usize) -> (Sizes, Sizes) {
        let (channels, hidden) = (self.channels, self.hidden);
        (
            Sizes {
                rows,
                inputs: channels,
                outputs: hidden,
            },
            Sizes {
                rows,
                inputs: hidden,
                outputs: channels,
            },
        )
    }

    /// (w1, b1, w2, b2).
    fn split(&self) -> (Weight<'a>, &'a [f32], Weight<'a>, &'a [f32]) {
        let (w1, b1) = self.first.split_at(self.channels * self.hidden);
        let (w2, b2) = self.second.split_at(self.channels * self.hidden);
        let order = if self.columns {
            Weight::Columns
        } else {
            Weight::Rows
        };
        (order(w1), b1, order(w2), b2)
    }

    /// The number of rows of `x`. Panics if a slice does not have its length.
    fn check(&self, x: &[f32]) -> usize {
        let (channels, hidden) = (self.channels, self.hidden);
        assert!(channels > 0 && hidden > 0 && x.len().is_multiple_of(channels));
        assert_eq!(self.first.len(), (channels + 1) * hidden);
        assert_eq!(self.second.len(), (hidden + 1) * channels);
        x.len() / channels
    }
}
