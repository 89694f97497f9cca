//! The twin of [`crate::kernels::gelu`].

use super::Real;

fn cdf<T: Real>(x: T) -> T {
    T::of(0.5) * (T::of(1.0) + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

fn density<T: Real>(x: T) -> T {
    (T::of(-0.5) * x * x).exp() / T::of(std::f64::consts::TAU.sqrt())
}

/// y = x cdf(x).
pub fn forward<T: Real>(x: &[T]) -> Vec<T> {
    x.iter().map(|&x| x * cdf(x)).collect()
}

/// dx = dy (cdf(x) + x density(x)).
pub fn backward<T: Real>(x: &[T], dy: &[T]) -> Vec<T> {
    let pairs = x.iter().zip(dy);
    pairs
        .map(|(&x, &dy)| dy * (cdf(x) + x * density(x)))
        .collect()
}
