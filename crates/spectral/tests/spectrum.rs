//! The complex numbers themselves: polar form, arithmetic, completion, frequencies, errors.

mod common;

use candle_core::{D, DType, Device, Tensor, Var};
use common::gradient as slope;
use spectralkd_spectral::properties::gradient;
use spectralkd_spectral::{
    Error, FrequencyGrid, Norm, Result, Spectrum, adaptive_avg_pool2d, band_average, fft, fft2,
    fft2_over, ifft, irfft, irfft2, radial_average, resize, resize_axis, rfft, rfft2, rfft2_over,
};
use spectralkd_testing::{bits, distance, flat, on_pools, tensor};

fn complex(data: &Tensor) -> Result<Spectrum> {
    Spectrum::from_full(data, (), Norm::Backward)
}

#[test]
fn polar_forms_have_their_gradients() {
    // Away from zero and from the cut of the phase.
    let x = (tensor(1, &[2, 3, 4]).abs().unwrap() + 0.1).unwrap();
    gradient(&x, |x| complex(x)?.amplitude()).unwrap();
    gradient(&x, |x| complex(x)?.phase()).unwrap();
    gradient(&x, |x| complex(x)?.power()).unwrap();
    // In the other quadrants too.
    gradient(&x, |x| complex(&x.neg()?)?.phase()).unwrap();
    gradient(&x, |x| complex(&x.transpose(1, 2)?)?.amplitude()).unwrap();

    let nothing = x.zeros_like().unwrap();
    for part in [Spectrum::amplitude, Spectrum::phase, Spectrum::power] {
        let slope = slope(&nothing, |x| part(&complex(x).unwrap()).unwrap().sum_all());
        assert!(flat(&slope).iter().all(|&x| x == 0.0), "{slope}");
    }
}

#[test]
fn amplitudes_neither_overflow_nor_vanish() -> Result<()> {
    for (size, expected) in [(3e30f32, 5e30f32), (3e-30, 5e-30)] {
        let x = Tensor::new(&[[size], [size / 3.0 * 4.0]], &Device::Cpu)?;
        let amplitude = complex(&x)?.amplitude()?.to_vec1::<f32>()?[0];
        assert!((amplitude / expected - 1.0).abs() < 1e-6, "{amplitude}");
        let slope = flat(&slope(&x, |x| {
            complex(x).unwrap().amplitude().unwrap().sum_all()
        }));
        assert!((slope[0] - 0.6).abs() < 1e-6 && (slope[1] - 0.8).abs() < 1e-6);
    }
    Ok(())
}

#[test]
fn arithmetic_is_that_of_complex_numbers() -> Result<()> {
    let (x, y) = (tensor(2, &[3, 5]), tensor(3, &[3, 5]));
    let (a, b) = (rfft2(&x, Norm::Backward)?, rfft2(&y, Norm::Backward)?);
    let mixed = rfft2(&(&x - (&y * 2.0)?)?, Norm::Backward)?;
    let apart = a.sub(&b.scale(2.0)?)?;
    assert!(distance(mixed.as_tensor(), apart.as_tensor()) < 1e-13);
    assert!(distance(a.add(&b)?.as_tensor(), b.add(&a)?.as_tensor()) == 0.0);

    // z conj(z) is the power.
    let squared = a.mul(&a.conj()?)?;
    assert!(distance(&squared.re()?, &a.power()?) < 1e-13);
    assert!(distance(&squared.im()?, &a.im()?.zeros_like()?) < 1e-13);

    // The product of spectra is the circular convolution of the signals.
    let convolved = a.mul(&b)?.to_signal()?;
    let (x, y, convolved) = (flat(&x), flat(&y), flat(&convolved));
    for (h, w) in [(0, 0), (1, 3), (2, 4)] {
        let terms = (0..15).map(|at| {
            let (i, j) = (at / 5, at % 5);
            x[at] * y[(h + 3 - i) % 3 * 5 + (w + 5 - j) % 5]
        });
        assert!((convolved[h * 5 + w] - terms.sum::<f64>()).abs() < 1e-12);
    }
    Ok(())
}

#[test]
fn a_spectrum_knows_what_it_came_from() -> Result<()> {
    let x = tensor(4, &[2, 3, 5, 7]);
    let spectrum = rfft2_over(&x, (D::Minus1, 1), Norm::Forward)?;
    assert_eq!(spectrum.dims(), [2, 2, 5, 7]);
    assert_eq!(spectrum.signal_dims(), x.dims());
    assert_eq!(spectrum.axes(), [3, 1]);
    assert_eq!(
        (spectrum.half_axis(), spectrum.half_samples()),
        (Some(1), Some(3))
    );
    assert_eq!(spectrum.norm(), Norm::Forward);
    let further = fft(&spectrum, 0, Norm::Forward)?;
    assert_eq!(
        (further.axes(), further.half_axis()),
        ([0, 3, 1].as_slice(), Some(1))
    );
    assert!(distance(&further.to_signal()?, &x) < 1e-14);
    let full = spectrum.to_full()?;
    assert_eq!((full.dims(), full.half_axis()), (x.dims(), None));
    let direct = fft2_over(&x, (3, 1), Norm::Forward)?;
    assert!(distance(full.as_tensor(), direct.as_tensor()) < 1e-14);
    Ok(())
}

#[test]
fn a_variable_is_a_signal() -> Result<()> {
    let x = Var::from_tensor(&tensor(5, &[4, 6]))?;
    let gradients = fft2(&x, Norm::Ortho)?.power()?.sum_all()?.backward()?;
    // The energy of a unitary transform is that of the signal: its gradient is 2 x.
    let slope = gradients.get(&x).expect("a gradient");
    assert!(distance(slope, &(x.as_tensor() * 2.0)?) < 1e-13);
    Ok(())
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let x = tensor(6, &[37, 11, 14, 14]).to_dtype(DType::F32).unwrap();
    let results = on_pools(|| {
        let spectrum = fft(&rfft2(&x, Norm::Ortho).unwrap(), 1, Norm::Ortho).unwrap();
        let back = ifft(&fft2(&x, Norm::Ortho).unwrap(), 1, Norm::Ortho).unwrap();
        let small = resize(&adaptive_avg_pool2d(&x, [9, 10]).unwrap(), [7, 7]).unwrap();
        let amplitude = spectrum.amplitude().unwrap();
        (bits(&amplitude), bits(back.as_tensor()), bits(&small))
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn rings_of_a_small_grid_by_hand() -> Result<()> {
    let grid = FrequencyGrid::half(&[4, 6])?;
    assert_eq!(grid.dims(), [4, 4]);
    // N = 4. N * radius along the columns: 0, 2/3, 4/3, 2; along the rows 0, 1, 2, 1.
    let rings = |row: [i32; 4]| row.map(|r| usize::try_from(r).ok());
    let expected = [
        rings([0, 1, 1, 2]),
        rings([1, 1, 2, 2]), // hypot(1, 2/3) = 1.20, hypot(1, 4/3) = 1.67, hypot(1, 2) = 2.24
        rings([2, 2, 2, -1]), // hypot(2, 4/3) = 2.40, hypot(2, 2) = 2.83
        rings([1, 1, 2, 2]),
    ];
    assert_eq!(grid.rings(), expected.concat());
    assert_eq!(grid.multiplicity()[..4], [1.0, 2.0, 2.0, 1.0]);
    assert_eq!(grid.radius()[..4], [0.0, 1.0 / 6.0, 2.0 / 6.0, 0.5]);
    assert_eq!(
        FrequencyGrid::full(&[5])?.radius(),
        [0.0, 0.2, 0.4, 0.4, 0.2]
    );
    assert_eq!(
        FrequencyGrid::half(&[5])?.rings(),
        [Some(0), Some(1), Some(2)]
    );
    Ok(())
}

#[test]
fn averages_have_gradients_and_keep_a_constant() -> Result<()> {
    let x = tensor(7, &[2, 4, 4]);
    gradient(&x, |x| radial_average(x, 6)).unwrap();
    gradient(&x, |x| band_average(x, 6, &[0.0, 0.2, 0.4])).unwrap();
    let ones = radial_average(&x.ones_like()?, 6)?;
    assert!(distance(&ones, &ones.ones_like()?) < 1e-15);
    assert_eq!(ones.dims(), [2, 3]);
    let line = FrequencyGrid::half(&[6])?.band_average(&x, &[0.0, 0.2, 0.6])?;
    let expected = ((x.narrow(2, 0, 1)? + (x.narrow(2, 1, 1)? * 2.0)?)? / 3.0)?;
    assert!(distance(&line.narrow(2, 0, 1)?, &expected) < 1e-15);
    Ok(())
}

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
}

#[track_caller]
fn refused<T>(result: Result<T>, words: &str) {
    match result {
        Ok(_) => panic!("accepted, where an error with \"{words}\" was expected"),
        Err(error) => assert!(error.to_string().contains(words), "{error}"),
    }
}

#[test]
fn bad_signals_are_errors() {
    let (x, norm) = (zeros(&[2, 0, 3]), Norm::Ortho);
    refused(rfft(&x, 1, norm), "no elements along axis 1");
    refused(fft(&x, D::Minus2, norm), "no elements along axis 1");
    refused(rfft(&x, 3, norm), "out of range");
    refused(fft(&x, D::Minus(4), norm), "out of range");
    refused(fft2(&x, norm), "no elements along axis 1");
    refused(fft2(&zeros(&[3]), norm), "out of range");
    refused(rfft2_over(&zeros(&[3, 4]), [1, 1], norm), "dup");
    refused(
        rfft2_over(&zeros(&[3, 4]), 1, norm),
        "the number of axes must be 2, got 1",
    );
    refused(resize(&x, [2, 2]), "no elements along H");
    refused(
        resize_axis(&zeros(&[3, 4]), 1, 0),
        "the new size must be at least 1",
    );
    refused(
        adaptive_avg_pool2d(&zeros(&[3, 4]), [0, 2]),
        "both output sizes",
    );
    let whole = zeros(&[3, 4]).to_dtype(DType::U32).unwrap();
    refused(fft(&whole, 0, norm), "got U32");
    refused(rfft(&whole, 0, norm), "got U32");
    refused(resize(&whole, [2, 2]), "got U32");
    refused(adaptive_avg_pool2d(&whole, [2, 2]), "got U32");
    refused(radial_average(&whole, 4), "got U32");
    // An empty batch is no error.
    let empty = rfft(&zeros(&[0, 4]), 1, norm).unwrap();
    assert_eq!(irfft(&empty, 4, 1, norm).unwrap().dims(), [0, 4]);
    assert_eq!(
        resize(&zeros(&[0, 3, 4]), [2, 2]).unwrap().dims(),
        [0, 2, 2]
    );
}

#[test]
fn bad_spectra_are_errors() {
    let norm = Norm::Ortho;
    refused(complex(&zeros(&[3, 4])), "first axis, got shape [3, 4]");
    refused(
        Spectrum::from_half(&zeros(&[2, 3, 4]), [0, 1], 8, norm),
        "8 real samples have 5 bins",
    );
    refused(
        Spectrum::from_half(&zeros(&[2, 3, 4]), (), 8, norm),
        "at least 1",
    );
    let half = rfft2(&zeros(&[2, 6, 8]), norm).unwrap();
    refused(irfft2(&half, 9, norm), "9 real samples have 5 bins");
    refused(irfft2(&half, 6, norm), "6 real samples have 4 bins");
    refused(
        irfft(&half, 6, 1, norm),
        "half spectrum of 8 real samples along axis 2",
    );
    refused(ifft(&half, 2, norm), "complete it with `to_full`");
    refused(fft2(&half, norm), "complete it with `to_full`");
    refused(
        fft2(&zeros(&[6, 8]), norm).unwrap().to_signal(),
        "half spectrum of a real signal",
    );
    refused(
        half.add(&rfft2(&zeros(&[2, 6, 9]), norm).unwrap()),
        "[2, 6, 9]",
    );
    refused(
        half.mul(&rfft2(&zeros(&[2, 6, 8]), Norm::Forward).unwrap()),
        "Forward",
    );
    refused(half.mask(&zeros(&[6, 8])), "a mask of shape [6, 8]");
    refused(
        half.mask(&zeros(&[2, 2, 6, 5])),
        "a mask of shape [2, 2, 6, 5]",
    );
}

#[test]
fn bad_frequencies_are_errors() {
    refused(FrequencyGrid::full(&[]), "one or two");
    refused(FrequencyGrid::half(&[3, 0]), "[3, 0]");
    let channels = rfft(&zeros(&[2, 6, 8]), 1, Norm::Ortho).unwrap();
    refused(FrequencyGrid::of(&channels), "over axes [1]");
    let grid = FrequencyGrid::half(&[6, 8]).unwrap();
    for cutoff in [-0.1, f64::NAN, f64::INFINITY] {
        refused(
            grid.low_pass(cutoff, DType::F32, &Device::Cpu),
            "the cutoff",
        );
    }
    let x = zeros(&[6, 5]);
    refused(radial_average(&x, 7), "[6, 5]");
    refused(radial_average(&zeros(&[5]), 8), "got one of shape [5]");
    refused(band_average(&x, 8, &[0.1]), "two or more");
    refused(band_average(&x, 8, &[0.2, 0.1]), "two or more");
    refused(band_average(&x, 8, &[0.0, f64::NAN]), "two or more");
    let empty = band_average(&x, 8, &[0.01, 0.02]);
    assert!(matches!(empty, Err(Error::EmptyBand { .. })));
}
