//! What the kernels are held to: operands rounded one by one, sums in f64.

use spectralkd_nn::kernels::linear::Sizes;

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
    let (x, weight) = (rounded(x), rounded(weight));
    let mut y = Vec::with_capacity(sizes.rows * sizes.outputs);
    for x in x.chunks(sizes.inputs) {
        for (output, weight) in weight.chunks(sizes.inputs).enumerate() {
            let start = bias.map_or(0.0, |bias| f64::from(bias[output]));
            let products = x.iter().zip(weight).map(|(x, w)| x * w);
            y.push(start + products.sum::<f64>());
        }
    }
    y
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
    let a: Vec<f32> = h.iter().map(|&h| gelu(h) as f32).collect();
    forward(second, &a, w2, Some(b2))
}

/// x times the normal distribution function of x.
fn gelu(x: f64) -> f64 {
    0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}
