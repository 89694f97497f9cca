//! The twin of [`crate::kernels::bf16`]: operands rounded one by one, sums in f64.

use super::{gelu, linear};
use crate::kernels::linear::Sizes;

/// The bf16 nearest to `x`, of two as near the even one: the better of its two neighbours. As if
/// bf16 went on, beyond the largest: whence infinity.
pub fn round(x: f32) -> f32 {
    if x.is_nan() || x.is_infinite() {
        return x;
    }
    let toward_zero = x.to_bits() & 0xffff_0000;
    let away = toward_zero + 0x1_0000;
    let value = |bits: u32| match f32::from_bits(bits) {
        number if number.is_infinite() => 2f64.powi(128).copysign(f64::from(number)),
        number => f64::from(number),
    };
    let distance = |bits| (f64::from(x) - value(bits)).abs();
    let even = toward_zero & 0x1_0000 == 0;
    let near = distance(toward_zero) < distance(away);
    let tie = distance(toward_zero) == distance(away);
    f32::from_bits(if near || (tie && even) {
        toward_zero
    } else {
        away
    })
}

/// y = x w^T + b with x and w rounded.
pub fn forward(sizes: Sizes, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
    let rounded = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(round(x))).collect() };
    let bias: Option<Vec<f64>> = bias.map(|b| b.iter().map(|&b| b.into()).collect());
    linear::forward(sizes, &rounded(x), &rounded(weight), bias.as_deref())
}

/// y = gelu(x w1^T + b1) w2^T + b2 with x, gelu's result, w1 [hidden, channels] and w2 [channels,
/// hidden] rounded.
pub fn mlp(
    [channels, hidden]: [usize; 2],
    x: &[f32],
    (w1, b1): (&[f32], &[f32]),
    (w2, b2): (&[f32], &[f32]),
) -> Vec<f64> {
    let first = Sizes {
        rows: x.len() / channels,
        inputs: channels,
        outputs: hidden,
    };
    let second = Sizes {
        inputs: hidden,
        outputs: channels,
        ..first
    };
    let h = forward(first, x, w1, Some(b1));
    let a: Vec<f32> = gelu::forward(&h).iter().map(|&a| a as f32).collect();
    forward(second, &a, w2, Some(b2))
}
