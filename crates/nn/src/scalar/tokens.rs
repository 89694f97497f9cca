//! The twin of [`crate::kernels::tokens`].

use super::Real;
use crate::kernels::tokens::Sizes;

/// y = (prefix, then x) + position.
pub fn assemble<T: Real>(sizes: Sizes, x: &[T], prefix: &[T], position: &[T]) -> Vec<T> {
    let mut y = Vec::new();
    for x in x.chunks(sizes.patches * sizes.channels) {
        let tokens = prefix.iter().chain(x);
        y.extend(
            tokens
                .zip(position)
                .map(|(&token, &position)| token + position),
        );
    }
    y
}

/// dx: dy without the prefix rows.
pub fn without_prefix<T: Real>(sizes: Sizes, dy: &[T]) -> Vec<T> {
    let all = (sizes.prefix + sizes.patches) * sizes.channels;
    let images = dy.chunks(all);
    images
        .flat_map(|dy| dy[sizes.prefix * sizes.channels..].to_vec())
        .collect()
}

/// The sum of dy over the batch.
pub fn sum_over_batch<T: Real>(sizes: Sizes, dy: &[T]) -> Vec<T> {
    let all = (sizes.prefix + sizes.patches) * sizes.channels;
    let mut sum = vec![T::of(0.0); all];
    for (i, &dy) in dy.iter().enumerate() {
        sum[i % all] += dy;
    }
    sum
}

/// The place in x [B, P + N, C] of number `i` of m [B, C, N].
fn place(sizes: Sizes, i: usize) -> usize {
    let Sizes {
        prefix,
        patches,
        channels,
    } = sizes;
    let (b, c, n) = (
        i / (patches * channels),
        i / patches % channels,
        i % patches,
    );
    (b * (prefix + patches) + prefix + n) * channels + c
}

/// m of x.
pub fn to_map<T: Real>(sizes: Sizes, x: &[T]) -> Vec<T> {
    let count = x.len() / (sizes.prefix + sizes.patches) * sizes.patches;
    (0..count).map(|i| x[place(sizes, i)]).collect()
}

/// dx of dm.
pub fn from_map<T: Real>(sizes: Sizes, dm: &[T]) -> Vec<T> {
    let count = dm.len() / sizes.patches * (sizes.prefix + sizes.patches);
    let mut dx = vec![T::of(0.0); count];
    for (i, &dm) in dm.iter().enumerate() {
        dx[place(sizes, i)] = dm;
    }
    dx
}
