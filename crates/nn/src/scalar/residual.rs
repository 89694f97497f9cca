//! The twin of [`crate::kernels::residual`]. `gamma` `[C]` and `samples` `[B]` may be absent.

use super::Real;

/// f gamma for every element of a tensor of `count` elements.
fn factors<T: Real>(
    count: usize,
    channels: usize,
    gamma: Option<&[T]>,
    samples: Option<&[T]>,
) -> Vec<T> {
    let factor = |i: usize| {
        let gamma = gamma.map_or(T::of(1.0), |gamma| gamma[i % channels]);
        gamma * samples.map_or(T::of(1.0), |f| f[i / (count / f.len())])
    };
    (0..count).map(factor).collect()
}

/// y = x + f gamma z.
pub fn forward<T: Real>(
    x: &[T],
    z: &[T],
    channels: usize,
    gamma: Option<&[T]>,
    samples: Option<&[T]>,
) -> Vec<T> {
    let factors = factors(x.len(), channels, gamma, samples);
    (0..x.len()).map(|i| x[i] + factors[i] * z[i]).collect()
}

/// (dz, dgamma); dgamma as if gamma were there.
pub fn backward<T: Real>(
    z: &[T],
    channels: usize,
    gamma: Option<&[T]>,
    samples: Option<&[T]>,
    dy: &[T],
) -> (Vec<T>, Vec<T>) {
    let with_gamma = factors(z.len(), channels, gamma, samples);
    let without = factors(z.len(), channels, None, samples);
    let mut dgamma = vec![T::of(0.0); channels];
    for i in 0..z.len() {
        dgamma[i % channels] += without[i] * dy[i] * z[i];
    }
    (
        (0..z.len()).map(|i| with_gamma[i] * dy[i]).collect(),
        dgamma,
    )
}
