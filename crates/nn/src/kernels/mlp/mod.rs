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
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// w1 and b1.
    pub first: (Weight<'a>, &'a [f32]),
    /// w2 and b2.
    pub second: (Weight<'a>, &'a [f32]),
}

impl Parameters<'_> {
    /// C.
    fn channels(&self) -> usize {
        self.second.1.len()
    }

    /// H.
    fn hidden(&self) -> usize {
        self.first.1.len()
    }

    /// Numbers of w1 and b1, and of w2 and b2.
    fn lens(&self) -> [usize; 2] {
        [self.first, self.second].map(|(weight, bias)| weight.len() + bias.len())
    }

    /// The products of `rows` rows.
    fn sizes(&self, rows: usize) -> (Sizes, Sizes) {
        let (channels, hidden) = (self.channels(), self.hidden());
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

    /// The number of rows of `x`. Panics if a slice does not have its length.
    fn check(&self, x: &[f32]) -> usize {
        let (channels, hidden) = (self.channels(), self.hidden());
        assert!(channels > 0 && hidden > 0 && x.len().is_multiple_of(channels));
        assert_eq!(self.first.0.len(), channels * hidden);
        assert_eq!(self.second.0.len(), channels * hidden);
        x.len() / channels
    }
}
