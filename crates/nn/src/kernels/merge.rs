//! 2 x 2 tokens of a map side by side: y [B, H' W', 4C] of x [B, H W, C], H' = ceil(H / 2),
//! W' = ceil(W / 2). Part 2j + i of token (a, b) is token (2a + i, 2b + j) of x, and zeros
//! outside of the map; this order of the parts is timm's. Backward: dx is the part of dy
//! that its token went to.

use std::mem::MaybeUninit;

use super::parallel;
use super::storage::{copy, filled};

/// The sizes of one map.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Tokens down, H.
    pub height: usize,
    /// Tokens across, W.
    pub width: usize,
    /// Channels C of a token.
    pub channels: usize,
}

impl Sizes {
    /// The map that comes out, (H', W').
    pub fn merged(&self) -> [usize; 2] {
        [self.height.div_ceil(2), self.width.div_ceil(2)]
    }

    /// The numbers of one image of x, and of y.
    pub fn numbers(&self) -> (usize, usize) {
        let [down, across] = self.merged();
        let x = self.height * self.width * self.channels;
        (x, 4 * down * across * self.channels)
    }

    /// The token of x that is part `part` of token `token` of y, unless outside of the map.
    pub(crate) fn token(&self, token: usize, part: usize) -> Option<usize> {
        let [_, across] = self.merged();
        let (row, column) = (token / across * 2 + part % 2, token % across * 2 + part / 2);
        (row < self.height && column < self.width).then_some(row * self.width + column)
    }

    /// (token, part) of y that token (row, column) of x goes to.
    fn place(&self, token: usize) -> (usize, usize) {
        let [_, across] = self.merged();
        let (row, column) = (token / self.width, token % self.width);
        (row / 2 * across + column / 2, column % 2 * 2 + row % 2)
    }
}

/// y of x. Panics if a size is 0 or x is not made of whole images.
pub fn forward(sizes: Sizes, x: &[f32]) -> Vec<f32> {
    let (all, merged) = sizes.numbers();
    assert!(all > 0 && x.len().is_multiple_of(all));
    let batch = x.len() / all;
    let fill = |image: usize, y: &mut [MaybeUninit<f32>]| {
        let x = &x[image * all..][..all];
        for (i, y) in y.chunks_exact_mut(sizes.channels).enumerate() {
            match sizes.token(i / 4, i % 4) {
                Some(token) => copy(&x[token * sizes.channels..][..sizes.channels], y),
                None => y.fill(MaybeUninit::new(0.0)),
            }
        }
    };
    let fill_all = |y: &mut [MaybeUninit<f32>]| parallel::chunks(y, merged, batch * merged, fill);
    // SAFETY: the pieces are one image each and cover y; `fill` writes every part of each.
    unsafe { filled(batch * merged, fill_all) }
}

/// dx of dy. Panics if a size is 0 or dy is not made of whole images.
pub fn backward(sizes: Sizes, dy: &[f32]) -> Vec<f32> {
    let (all, merged) = sizes.numbers();
    assert!(all > 0 && dy.len().is_multiple_of(merged));
    let batch = dy.len() / merged;
    let fill = |image: usize, dx: &mut [MaybeUninit<f32>]| {
        let dy = &dy[image * merged..][..merged];
        for (token, dx) in dx.chunks_exact_mut(sizes.channels).enumerate() {
            let (place, part) = sizes.place(token);
            let start = (4 * place + part) * sizes.channels;
            copy(&dy[start..][..sizes.channels], dx);
        }
    };
    let fill_all = |dx: &mut [MaybeUninit<f32>]| parallel::chunks(dx, all, batch * all, fill);
    // SAFETY: the pieces are one image each and cover dx; `fill` writes every token of each.
    unsafe { filled(batch * all, fill_all) }
}
