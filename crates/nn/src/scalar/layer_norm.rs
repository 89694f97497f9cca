//! The twin of [`crate::kernels::layer_norm`].

use super::Real;

/// Of one row: (n, r).
fn normalise<T: Real>(x: &[T], eps: f64) -> (Vec<T>, T) {
    let count = T::of(x.len() as f64);
    let sum = |values: &mut dyn Iterator<Item = T>| values.fold(T::of(0.0), |a, b| a + b);
    let mean = sum(&mut x.iter().copied()) / count;
    let variance = sum(&mut x.iter().map(|&x| (x - mean) * (x - mean))) / count;
    let r = T::of(1.0) / Real::sqrt(variance + T::of(eps));
    (x.iter().map(|&x| (x - mean) * r).collect(), r)
}

/// y = n w + b, rows of `weight.len()` channels.
pub fn forward<T: Real>(x: &[T], weight: &[T], bias: &[T], eps: f64) -> Vec<T> {
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks(weight.len()) {
        let (n, _) = normalise(row, eps);
        y.extend((0..row.len()).map(|c| n[c] * weight[c] + bias[c]));
    }
    y
}

/// (dx, dw followed by db).
pub fn backward<T: Real>(x: &[T], weight: &[T], eps: f64, dy: &[T]) -> (Vec<T>, Vec<T>) {
    let channels = weight.len();
    let count = T::of(channels as f64);
    let mut dx = Vec::with_capacity(x.len());
    let mut sums = vec![T::of(0.0); 2 * channels];
    for (x, dy) in x.chunks(channels).zip(dy.chunks(channels)) {
        let (n, r) = normalise(x, eps);
        let (mut mean_h, mut mean_hn) = (T::of(0.0), T::of(0.0));
        for c in 0..channels {
            mean_h += dy[c] * weight[c] / count;
            mean_hn += dy[c] * weight[c] * n[c] / count;
            sums[c] += dy[c] * n[c];
            sums[channels + c] += dy[c];
        }
        dx.extend((0..channels).map(|c| r * (dy[c] * weight[c] - mean_h - n[c] * mean_hn)));
    }
    (dx, sums)
}
