//! How far two tensors, or two lists of numbers, are apart.

use candle_core::Tensor;

use crate::flat;

/// The largest |a − b|; infinite where there is a NaN.
fn farthest(a: &[f64], b: &[f64]) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    // A maximum would lose NaN.
    let known = |difference: f64| {
        if difference.is_nan() {
            f64::INFINITY
        } else {
            difference
        }
    };
    differences.map(known).fold(0.0, f64::max)
}

/// The largest |x|, which errors are relative to; over 0.
fn scale(x: &[f64]) -> f64 {
    x.iter()
        .fold(1e-300, |largest: f64, x| largest.max(x.abs()))
}

/// The largest difference between two tensors of one shape; infinite where there is a NaN.
pub fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    farthest(&flat(a), &flat(b))
}

/// The largest difference between two lists of one length, relative to the largest number of
/// `want`; infinite where there is a NaN.
#[track_caller]
pub fn difference(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    farthest(got, want) / scale(want)
}

/// ‖a − b‖ / ‖b‖ of two tensors of one shape; 0 where both are zero.
pub fn relative(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (flat(a), flat(b));
    let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>();
    let difference = squares(&mut a.iter().zip(&b).map(|(a, b)| a - b));
    difference.sqrt()
        / squares(&mut b.iter().copied())
            .sqrt()
            .max(f64::MIN_POSITIVE)
}

/// Holds two tensors of one shape together, element by element, relative to the largest element of `want`.
#[track_caller]
pub fn assert_close(got: &Tensor, want: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let (got, want) = (flat(got), flat(want));
    let scale = scale(&want);
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        assert!(
            (got - want).abs() <= tolerance * scale,
            "{what}, element {i}: {got} against {want}"
        );
    }
}

/// Holds two numbers together, relative to the second.
#[track_caller]
pub fn assert_near(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!(
        (got - want).abs() <= tolerance * want.abs(),
        "{what}: {got} against {want}"
    );
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn row(values: &[f64]) -> Tensor {
        Tensor::new(values, &Device::Cpu).unwrap()
    }

    #[test]
    fn distances_by_hand() {
        let (a, b) = (row(&[1.0, 6.0]), row(&[1.0, 3.0]));
        assert_eq!(distance(&a, &b), 3.0);
        assert_eq!(relative(&a, &row(&[1.0, 0.0])), 6.0);
        let zeros = row(&[0.0, 0.0]);
        assert_eq!(relative(&zeros, &zeros), 0.0);
        assert_eq!(relative(&a, &zeros), f64::INFINITY);
        assert_eq!(difference(&[1.0, 6.0], &[1.0, -4.0]), 2.5);
        assert_eq!(difference(&[0.0, 0.0], &[0.0, 0.0]), 0.0);
        assert!(difference(&[0.0, 1e-9], &[0.0, 0.0]) > 1e9);
        assert_close(&a, &row(&[1.0, 6.05]), 0.01, "within");
        assert_near(1.0, 1.05, 0.05, "within");
    }

    #[test]
    fn nan_is_far_from_everything() {
        let (a, b) = (row(&[1.0, f64::NAN]), row(&[1.0, 3.0]));
        assert_eq!(distance(&a, &b), f64::INFINITY);
        assert!(relative(&a, &b).is_nan());
        let (a, b) = ([f64::NAN, 1.0], [3.0, 1.0]);
        assert_eq!(difference(&a, &b), f64::INFINITY);
        assert_eq!(difference(&b, &a), f64::INFINITY);
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn lists_of_other_lengths_are_not_compared() {
        difference(&[1.0], &[1.0, 2.0]);
    }

    #[test]
    #[should_panic(expected = "element 1: 6 against 6.2")]
    fn what_is_apart_fails() {
        assert_close(&row(&[1.0, 6.0]), &row(&[1.0, 6.2]), 0.01, "apart");
    }

    #[test]
    #[should_panic(expected = "element 1")]
    fn nan_fails() {
        assert_close(&row(&[1.0, f64::NAN]), &row(&[1.0, 6.2]), 0.01, "NaN");
    }
}
