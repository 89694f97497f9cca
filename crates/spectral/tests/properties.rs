//! The exported properties, held by this crate's own transforms, pooling and resizing.

use std::ops::RangeInclusive;

use candle_core::{D, DType, Device, Tensor};
use proptest::prelude::*;
use spectralkd_spectral::properties::{
    Fourier, adjoint, backward_is_adjoint, gradient, linear, norms, pooling, resizing, round_trip,
    strides, tensors, tensors_of,
};
use spectralkd_spectral::{
    Norm, Result, Spectrum, adaptive_avg_pool_channels, adaptive_avg_pool2d, fft, fft2, fft2_over,
    ifft, ifft2, irfft, irfft2, irfft2_over, resize, resize_axis, rfft, rfft2, rfft2_by_matrices,
    rfft2_over,
};
use spectralkd_testing::flat;

/// Batch and plane.
fn planes() -> [RangeInclusive<usize>; 3] {
    [1..=3, 1..=14, 1..=14]
}

/// Real numbers [2, ...] as complex ones.
fn complex(data: &Tensor) -> Result<Spectrum> {
    Spectrum::from_full(data, (), Norm::Backward)
}

/// Every size, primes among them, by every transform along an axis and over planes.
#[test]
fn sizes_up_to_64_agree_with_the_definition() -> std::result::Result<(), TestCaseError> {
    let wave = |shape: &[usize]| {
        let n = shape.iter().product::<usize>() as f64;
        let x = Tensor::arange(0.0, n, &Device::Cpu)?.affine(1.7, 0.3)?;
        x.sqr()?.sin()?.reshape(shape)
    };
    for n in 1..=64 {
        let norm = [Norm::Backward, Norm::Ortho, Norm::Forward][n % 3];
        let line = wave(&[2, n, 2]).unwrap();
        Fourier::half(&[1], norm).definition(&line, |x| rfft(x, 1, norm))?;
        Fourier::full(&[1], norm).definition(&line, |x| fft(x, 1, norm))?;
        Fourier::half(&[1], norm).inverse(&line, |s| irfft(s, n, 1, norm))?;
        Fourier::full(&[1], norm).inverse(&line, |s| ifft(s, 1, norm))?;
        let plane = wave(&[n, 65 - n]).unwrap();
        for plane in [&plane, &plane.to_dtype(DType::F32).unwrap()] {
            Fourier::rfft2(norm).definition(plane, |x| rfft2(x, norm))?;
            Fourier::fft2(norm).definition(plane, |x| fft2(x, norm))?;
            Fourier::rfft2(norm).inverse(plane, |s| irfft2(s, 65 - n, norm))?;
            Fourier::fft2(norm).inverse(plane, |s| ifft2(s, norm))?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn transforms_over_planes_are_what_they_claim(x in tensors(&planes()), norm in norms()) {
        Fourier::rfft2(norm).holds(&x, |x| rfft2(x, norm))?;
        Fourier::rfft2(norm).holds(&x, |x| rfft2_by_matrices(x, norm))?;
        Fourier::fft2(norm).holds(&x, |x| fft2(x, norm))?;
        Fourier::half(&[2, 0], norm).holds(&x, |x| rfft2_over(x, [2, 0], norm))?;
        Fourier::full(&[0, 1], norm).holds(&x, |x| fft2_over(x, (D::Minus(3), 1), norm))?;
    }

    #[test]
    fn transforms_along_an_axis_are_what_they_claim(
        x in tensors(&planes()), axis in 0usize..3, norm in norms()
    ) {
        Fourier::half(&[axis], norm).holds(&x, |x| rfft(x, axis, norm))?;
        Fourier::full(&[axis], norm).holds(&x, |x| fft(x, axis, norm))?;
        Fourier::half(&[axis], norm).holds(&x, |x| rfft(x, D::Minus(3 - axis), norm))?;
    }

    #[test]
    fn half_types_are_transformed_in_f32(
        x in tensors_of(&[DType::F16, DType::BF16], &planes()), norm in norms()
    ) {
        Fourier::rfft2(norm).definition(&x, |x| rfft2(x, norm))?;
        Fourier::full(&[0], norm).definition(&x, |x| fft(x, 0, norm))?;
        prop_assert_eq!(fft(&x, 0, norm)?.as_tensor().dtype(), DType::F32);
        prop_assert_eq!(resize(&x, [3, 4])?.dtype(), x.dtype());
        prop_assert_eq!(adaptive_avg_pool2d(&x, [3, 4])?.dtype(), x.dtype());
    }

    #[test]
    fn inverses_invert(x in tensors(&planes()), axis in 0usize..3, norm in norms()) {
        let (n, w) = (x.dims()[axis], x.dims()[2]);
        round_trip(&x, |x| rfft(x, axis, norm), |s| irfft(s, n, axis, norm))?;
        round_trip(&x, |x| fft(x, axis, norm), |s| ifft(s, axis, norm)?.re())?;
        round_trip(&x, |x| rfft2(x, norm), |s| irfft2(s, w, norm))?;
        round_trip(&x, |x| fft2(x, norm), |s| ifft2(s, norm)?.re())?;
        round_trip(&x, |x| rfft2(x, norm), Spectrum::to_signal)?;
        round_trip(&x, |x| fft(&rfft2(x, norm)?, 0, norm), Spectrum::to_signal)?;
        let axes = [axis, (axis + 1) % 3];
        let n = x.dims()[axes[1]];
        round_trip(&x, |x| rfft2_over(x, axes, norm), |s| irfft2_over(s, n, axes, norm))?;
        round_trip(&x, |x| rfft2_over(x, axes, norm)?.to_full(), |s| ifft2_by_hand(s, axes))?;
    }

    #[test]
    fn gradients_of_inverses_and_complex_transforms_are_their_adjoints(
        x in tensors(&[2..=2, 1..=3, 1..=12, 1..=12]), odd: bool, norm in norms()
    ) {
        let w = 2 * (x.dims()[3] - 1) + usize::from(odd);
        prop_assume!(w > 0);
        let inverse = |x: &Tensor| irfft2(&complex(x)?, w, norm);
        linear(&x, inverse)?;
        backward_is_adjoint(&x, inverse)?;
        strides(&x, inverse)?;
        let inverse = |x: &Tensor| irfft(&complex(x)?, w, D::Minus1, norm);
        linear(&x, inverse)?;
        backward_is_adjoint(&x, inverse)?;
        for axis in 0..3 {
            for transform in [fft, ifft] {
                linear(&x, |x| transform(&complex(x)?, axis, norm))?;
                backward_is_adjoint(&x, |x| transform(&complex(x)?, axis, norm))?;
            }
        }
        for transform in [fft2, ifft2] {
            backward_is_adjoint(&x, |x| transform(&complex(x)?, norm))?;
            strides(&x, |x| transform(&complex(x)?, norm))?;
        }
        // A unitary transform's inverse is its adjoint.
        adjoint(&x, |x| fft2(&complex(x)?, Norm::Ortho), |y| ifft2(&complex(y)?, Norm::Ortho))?;
    }

    #[test]
    fn gradients_agree_with_finite_differences(
        x in tensors(&[2..=2, 1..=2, 1..=6, 2..=6]), norm in norms()
    ) {
        let w = 2 * (x.dims()[3] - 1);
        gradient(&x, |x| rfft(x, 1, norm))?;
        gradient(&x, |x| rfft2(x, norm))?;
        gradient(&x, |x| fft(x, D::Minus1, norm))?;
        gradient(&x, |x| fft2(&complex(x)?, norm))?;
        gradient(&x, |x| ifft(&complex(x)?, 0, norm))?;
        gradient(&x, |x| ifft2(&complex(x)?, norm))?;
        gradient(&x, |x| irfft(&complex(x)?, w, 2, norm))?;
        gradient(&x, |x| irfft2(&complex(x)?, w + 1, norm))?;
        gradient(&x, |x| rfft2(x, norm)?.to_full())?;
        gradient(&x, |x| rfft2(x, norm)?.power())?;
        gradient(&x, |x| complex(x)?.power())?;
        gradient(&x, |x| adaptive_avg_pool2d(x, [2, 3]))?;
        gradient(&x, |x| adaptive_avg_pool_channels(x, 3))?;
        gradient(&x, |x| resize(x, [4, 5]))?;
        gradient(&x, |x| resize(x, [3, 8]))?;
    }

    #[test]
    fn pooling_is_its_definition(
        x in tensors(&[1..=2, 1..=9, 1..=9, 1..=9]), h in 1usize..=12, w in 1usize..=12
    ) {
        pooling(&x, &[2, 3], &[h, w], |x| adaptive_avg_pool2d(x, [h, w]))?;
        pooling(&x, &[1], &[h], |x| adaptive_avg_pool_channels(x, h))?;
        linear(&x, |x| adaptive_avg_pool2d(x, [h, w]))?;
        backward_is_adjoint(&x, |x| adaptive_avg_pool2d(x, [h, w]))?;
        strides(&x, |x| adaptive_avg_pool2d(x, [h, w]))?;
    }

    #[test]
    fn resizing_is_its_definition(x in tensors(&planes()), h in 1usize..=20, w in 1usize..=20) {
        resizing(&x, &[1, 2], &[h, w], |x| resize(x, [h, w]))?;
        resizing(&x, &[0], &[h], |x| resize_axis(x, 0, h))?;
        backward_is_adjoint(&x, |x| resize(x, [h, w]))?;
        strides(&x, |x| resize(x, [h, w]))?;
        // Nothing is lost on the way up and down again.
        let (rows, cols) = (x.dims()[1], x.dims()[2]);
        round_trip(&x, |x| resize(x, [rows + h, cols + w]), |y| resize(y, [rows, cols]))?;
    }

    #[test]
    fn resizing_keeps_a_constant(x in tensors(&planes()), h in 1usize..=20, w in 1usize..=20) {
        let ones = x.ones_like()?;
        let expected = vec![1.0; ones.dims()[0] * h * w];
        let got = flat(&resize(&ones, [h, w])?);
        prop_assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{:?}", got);
    }
}

/// The inverse of a full 2-D spectrum, one axis at a time.
fn ifft2_by_hand(spectrum: &Spectrum, axes: [usize; 2]) -> Result<Tensor> {
    let once = ifft(spectrum, axes[0], spectrum.norm())?;
    ifft(&once, axes[1], spectrum.norm())?.re()
}
