//! The twin of [`crate::kernels::merge`].

use super::Real;
use crate::kernels::merge::Sizes;

/// For every number of y, where it lies in x: nowhere if it is padding.
fn sources(sizes: Sizes, batch: usize) -> impl Iterator<Item = Option<usize>> {
    let Sizes {
        height,
        width,
        channels,
    } = sizes;
    let [down, across] = sizes.merged();
    let place = move |i: usize| {
        let (c, part) = (i % channels, i / channels % 4);
        let token = i / (4 * channels);
        let (b, a) = (token % across, token / across % down);
        let (row, column) = (2 * a + part % 2, 2 * b + part / 2);
        let image = token / (across * down);
        (row < height && column < width)
            .then_some(((image * height + row) * width + column) * channels + c)
    };
    (0..batch * sizes.numbers().1).map(place)
}

/// y of x.
pub fn forward<T: Real>(sizes: Sizes, x: &[T]) -> Vec<T> {
    let batch = x.len() / sizes.numbers().0;
    sources(sizes, batch)
        .map(|source| source.map_or(T::of(0.0), |i| x[i]))
        .collect()
}

/// dx of dy.
pub fn backward<T: Real>(sizes: Sizes, dy: &[T]) -> Vec<T> {
    let (all, merged) = sizes.numbers();
    let batch = dy.len() / merged;
    let mut dx = vec![T::of(0.0); batch * all];
    for (source, &dy) in sources(sizes, batch).zip(dy) {
        if let Some(i) = source {
            dx[i] += dy;
        }
    }
    dx
}
