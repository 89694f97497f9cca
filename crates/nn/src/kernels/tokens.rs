//! Tokens on their way into and out of a transformer.
//!
//! Assembly: y [B, P + N, C] = (prefix [P, C], then x [B, N, C]) + position [P + N, C]. Its
//! gradients: dx = dy without the prefix rows; the prefix and the positions get sums over
//! the batch, image after image.
//!
//! Map: m [B, C, N] is the transposition of rows P.. of x [B, P + N, C];
//! backward transposes back and writes zeros into the prefix rows.

use std::mem::MaybeUninit;

use super::parallel::{self, CHUNK};
use super::simd::Arch;
use super::storage::filled;
use super::transpose::transpose;

/// The sizes P, N, C.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Prefix tokens.
    pub prefix: usize,
    /// Patch tokens.
    pub patches: usize,
    /// Channels.
    pub channels: usize,
}

impl Sizes {
    /// Numbers in the prefix, in the patches, and in both.
    fn numbers(&self) -> (usize, usize, usize) {
        let (prefix, patches) = (self.prefix * self.channels, self.patches * self.channels);
        (prefix, patches, prefix + patches)
    }
}

/// y of x, prefix and position. Panics if a slice does not have its length.
pub fn assemble(sizes: Sizes, x: &[f32], prefix: &[f32], position: &[f32]) -> Vec<f32> {
    let (at, patches, all) = sizes.numbers();
    assert!(prefix.len() == at && position.len() == all && all > 0 && patches > 0);
    assert!(x.len().is_multiple_of(patches));
    let batch = x.len() / patches;
    let fill = |i: usize, y: &mut [MaybeUninit<f32>]| {
        let x = &x[i * patches..][..patches];
        let tokens = prefix.iter().chain(x).zip(position);
        let (first, rest) = y.split_at_mut(at);
        for (y, (&token, &position)) in first.iter_mut().zip(tokens) {
            y.write(token + position);
        }
        for (y, (&x, &position)) in rest.iter_mut().zip(x.iter().zip(&position[at..])) {
            y.write(x + position);
        }
    };
    let fill_all = |y: &mut [MaybeUninit<f32>]| parallel::chunks(y, all, batch * all, fill);
    // SAFETY: the pieces are one image each and cover y; the two loops write all of each.
    unsafe { filled(batch * all, fill_all) }
}

/// dx: dy without the prefix rows.
pub fn without_prefix(sizes: Sizes, dy: &[f32]) -> Vec<f32> {
    let (at, patches, all) = sizes.numbers();
    let batch = dy.len() / all.max(1);
    let mut dx = Vec::with_capacity(batch * patches);
    dy.chunks_exact(all.max(1))
        .for_each(|dy| dx.extend_from_slice(&dy[at..]));
    dx
}

/// The sum of dy over the batch, [P + N, C]: the gradient of the positions, whose first P
/// rows are that of the prefix.
pub fn sum_over_batch(arch: Arch, sizes: Sizes, dy: &[f32]) -> Vec<f32> {
    let (_, _, all) = sizes.numbers();
    let mut sum = vec![0.0; all];
    let piece = CHUNK / 8;
    parallel::chunks(&mut sum, piece, dy.len(), |i, sum| {
        arch.dispatch(|| {
            for dy in dy.chunks_exact(all) {
                for (sum, &dy) in sum.iter_mut().zip(&dy[i * piece..]) {
                    *sum += dy;
                }
            }
        });
    });
    sum
}

/// m [B, C, N] of x [B, P + N, C].
pub fn to_map(sizes: Sizes, x: &[f32]) -> Vec<f32> {
    let (at, patches, all) = sizes.numbers();
    assert!(patches > 0 && x.len().is_multiple_of(all));
    let batch = x.len() / all;
    let fill = |i: usize, map: &mut [MaybeUninit<f32>]| {
        let x = &x[i * all + at..][..patches];
        transpose(x, sizes.patches, sizes.channels, map);
    };
    let fill_all = |map: &mut [MaybeUninit<f32>]| {
        parallel::chunks(map, patches, batch * patches, fill);
    };
    // SAFETY: the pieces are one image each and cover m; `transpose` writes all of each.
    unsafe { filled(batch * patches, fill_all) }
}

/// dx [B, P + N, C] of dm [B, C, N]: zero in the prefix rows.
pub fn from_map(sizes: Sizes, dm: &[f32]) -> Vec<f32> {
    let (at, patches, all) = sizes.numbers();
    assert!(patches > 0 && dm.len().is_multiple_of(patches));
    let batch = dm.len() / patches;
    let fill = |i: usize, dx: &mut [MaybeUninit<f32>]| {
        let (prefix, dx) = dx.split_at_mut(at);
        prefix.fill(MaybeUninit::new(0.0));
        let dm = &dm[i * patches..][..patches];
        transpose(dm, sizes.channels, sizes.patches, dx);
    };
    let fill_all = |dx: &mut [MaybeUninit<f32>]| parallel::chunks(dx, all, batch * all, fill);
    // SAFETY: the pieces are one image each and cover dx; `fill` writes the prefix rows,
    // `transpose` the others.
    unsafe { filled(batch * all, fill_all) }
}
