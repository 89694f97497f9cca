//! Reproducible numbers, and tensors as numbers.

use candle_core::{DType, Device, Tensor};

/// `n` reproducible values in [-1, 1): SplitMix64 (Steele, Lea, Flood 2014), a generator of its own, so that tests do
/// not draw with what they test.
pub fn drawn(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut draw = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) >> 11
    };
    (0..n)
        .map(|_| draw() as f64 / (1u64 << 52) as f64 - 1.0)
        .collect()
}

/// A reproducible f64 tensor on the CPU, of values in [-1, 1).
pub fn tensor(seed: u64, shape: &[usize]) -> Tensor {
    Tensor::from_vec(drawn(seed, shape.iter().product()), shape, &Device::Cpu).unwrap()
}

/// The elements in row-major order, as f64.
pub fn flat(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

/// The value of a scalar tensor, as f64.
pub fn scalar(x: &Tensor) -> f64 {
    x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

/// The bit patterns of the elements as f64, for comparisons to the bit (f64 holds every f32 and half as it is).
pub fn bits(x: &Tensor) -> Vec<u64> {
    flat(x).into_iter().map(f64::to_bits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of the reference implementation for the state 0 are
    /// e220a8397b1dcdaf and 6e789e6aa1b965f4.
    #[test]
    fn draws_are_those_of_splitmix64() {
        let of = |bits: u64| (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
        assert_eq!(
            drawn(0, 2),
            [of(0xE220_A839_7B1D_CDAF), of(0x6E78_9E6A_A1B9_65F4)]
        );
        assert!(
            drawn(5, 1000)
                .iter()
                .all(|value| (-1.0..1.0).contains(value))
        );
    }

    #[test]
    fn numbers_come_in_row_major_order_whatever_the_strides() {
        let x = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
        assert_eq!(flat(&x.t().unwrap()), [1.0, 3.0, 2.0, 4.0]);
        assert_eq!(scalar(&x.sum_all().unwrap()), 10.0);
        let zeros = Tensor::new(&[0f32, -0.0], &Device::Cpu).unwrap();
        assert_ne!(bits(&zeros)[0], bits(&zeros)[1]);
    }
}
