//! The streaming channel spectrum against its definition, and its invariances.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use spectralkd_spectral::oracle::{self, Complex64};
use spectralkd_spectral::{ChannelSpectrum, WHITE_NOISE_LEVEL};
use spectralkd_testing::{flat, on_pools, tensor};

fn spectrum_of(x: &Tensor) -> ChannelSpectrum {
    let mut spectrum = ChannelSpectrum::new(x.dims()[1]);
    spectrum.push(x).unwrap();
    spectrum
}

/// The transform along the channels of every vector of [B, C, H, W], divided by C, by definition.
fn by_definition(x: &Tensor) -> Vec<Vec<Complex64>> {
    let channels = x.dims()[1];
    flat(&x.permute((0, 2, 3, 1)).unwrap())
        .chunks_exact(channels)
        .map(|x| {
            let vector: Vec<_> = x.iter().map(|&x| Complex64::from(x)).collect();
            oracle::dft(&vector)
                .into_iter()
                .map(|bin| bin / channels as f64)
                .collect()
        })
        .collect()
}

fn assert_close(a: f64, b: f64) {
    assert!(
        (a - b).abs() <= 1e-12 * b.abs().max(1e-3),
        "{a} against {b}"
    );
}

#[test]
fn a_cosine_along_the_channels_has_two_bins() {
    let channels = 12;
    let wave: Vec<f64> = (0..channels)
        .map(|c| (std::f64::consts::TAU * 3.0 * c as f64 / 12.0).cos())
        .collect();
    let x = Tensor::from_vec(wave, (1, channels, 1, 1), &Device::Cpu).unwrap();
    let spectrum = spectrum_of(&x.broadcast_as((2, channels, 3, 4)).unwrap());
    for (k, amplitude) in spectrum.amplitude().into_iter().enumerate() {
        let expected = if k == 3 || k == 9 { 0.5 } else { 0.0 };
        assert!((amplitude - expected).abs() < 1e-15, "bin {k}: {amplitude}");
    }
    assert_eq!(spectrum.count(), 24);
    assert_close(spectrum.intensity(), 1.0 / 12.0);
    assert_close(spectrum.rms(), 0.5f64.sqrt());
}

#[test]
fn white_noise_has_normalised_intensity_one() {
    // Sums of twelve uniform values are close to normal.
    let parts: Vec<Tensor> = (0..12).map(|seed| tensor(seed, &[8, 256, 8, 8])).collect();
    let noise = parts
        .iter()
        .skip(1)
        .fold(parts[0].clone(), |sum, x| (sum + x).unwrap());
    let spectrum = spectrum_of(&noise);
    assert!(
        (spectrum.normalised_intensity() - 1.0).abs() < 0.005,
        "{}",
        spectrum.normalised_intensity()
    );
    let louder = spectrum_of(&(noise * 5.0).unwrap());
    assert_close(
        louder.normalised_intensity(),
        spectrum.normalised_intensity(),
    );
    assert_close(louder.intensity(), 5.0 * spectrum.intensity());
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let x = tensor(3, &[40, 24, 7, 5]).to_dtype(DType::F32).unwrap();
    let results = on_pools(|| {
        let spectrum = spectrum_of(&x);
        let bits: Vec<_> = spectrum.amplitude().into_iter().map(f64::to_bits).collect();
        (bits, spectrum.rms().to_bits())
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn element_types_agree_to_their_precision() {
    let x = tensor(4, &[3, 10, 4, 4]).to_dtype(DType::F16).unwrap();
    let exact = spectrum_of(&x.to_dtype(DType::F64).unwrap());
    for dtype in [DType::F16, DType::F32] {
        // f16 values are exact in f32, and sums are f64 throughout.
        assert_eq!(
            spectrum_of(&x.to_dtype(dtype).unwrap()).amplitude(),
            exact.amplitude()
        );
    }
}

#[test]
fn before_the_first_vector_there_is_no_mean() {
    let mut spectrum = ChannelSpectrum::new(3);
    spectrum
        .push(&Tensor::zeros((0, 3, 2, 2), DType::F32, &Device::Cpu).unwrap())
        .unwrap();
    assert_eq!((spectrum.count(), spectrum.channels()), (0, 3));
    assert!(spectrum.amplitude().iter().all(|x| x.is_nan()) && spectrum.rms().is_nan());
    assert!(ChannelSpectrum::new(0).intensity().is_nan());
}

#[test]
fn bad_inputs_are_errors_and_leave_the_sums_alone() {
    let mut spectrum = spectrum_of(&tensor(5, &[2, 3, 4, 4]));
    let before = (spectrum.count(), spectrum.amplitude(), spectrum.rms());
    let mut message = |x: Tensor| spectrum.push(&x).unwrap_err().to_string();
    assert!(message(tensor(6, &[3, 4, 4])).contains("[B, C, H, W], got one of shape [3, 4, 4]"));
    let other_width = message(tensor(6, &[2, 5, 4, 4]));
    assert!(
        other_width.contains("of 3 channels, got 5 (from features of shape [2, 5, 4, 4])"),
        "{other_width}"
    );
    assert!(message(tensor(6, &[2, 3, 4, 4]).to_dtype(DType::U8).unwrap()).contains("got U8"));
    for bad in [f64::NAN, f64::INFINITY] {
        let mut values = vec![1.0; 12];
        values[7] = bad;
        let x = Tensor::from_vec(values, (1, 3, 2, 2), &Device::Cpu).unwrap();
        assert!(message(x).contains("[1, 3, 2, 2] hold NaN or infinite"));
    }
    let merged = spectrum
        .merge(&ChannelSpectrum::new(4))
        .unwrap_err()
        .to_string();
    assert!(merged.contains("of 3 channels, got 4"), "{merged}");
    assert_eq!(
        (spectrum.count(), spectrum.amplitude(), spectrum.rms()),
        before
    );
}

/// A permutation of 2 to 19 channels.
fn orders() -> impl Strategy<Value = Vec<u32>> {
    (2..20u32).prop_flat_map(|c| Just((0..c).collect::<Vec<_>>()).prop_shuffle())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_the_definition(
        seed: u64, b in 1usize..4, c in 1usize..=64, h in 1usize..5, w in 1usize..5
    ) {
        let x = tensor(seed, &[b, c, h, w]);
        let (spectrum, vectors) = (spectrum_of(&x), by_definition(&x));
        prop_assert_eq!(spectrum.count(), (b * h * w) as u64);
        let n = vectors.len() as f64;
        let mean = |k: usize| vectors.iter().map(|f| f[k].norm()).sum::<f64>() / n;
        let expected: Vec<f64> = (0..c).map(mean).collect();
        prop_assert_eq!(spectrum.amplitude().len(), c);
        for (a, b) in spectrum.amplitude().into_iter().zip(&expected) {
            assert_close(a, *b);
        }
        let intensity = expected.iter().sum::<f64>() / c as f64;
        assert_close(spectrum.intensity(), intensity);
        // Parseval along the channels: mean power of the transform = mean square of the features.
        let power = vectors.iter().flatten().map(|f| f.norm_sqr()).sum::<f64>() / n;
        assert_close(spectrum.rms(), power.sqrt());
        let normalised = intensity * (c as f64).sqrt() / (WHITE_NOISE_LEVEL * power.sqrt());
        assert_close(spectrum.normalised_intensity(), normalised);
    }

    #[test]
    fn batches_and_shards_add_up(seed: u64, cut in 0usize..=9, c in 1usize..20) {
        let x = tensor(seed, &[9, c, 3, 5]);
        let whole = spectrum_of(&x);
        let mut one_by_one = ChannelSpectrum::new(c);
        for i in 0..9 {
            one_by_one.push(&x.narrow(0, i, 1).unwrap()).unwrap();
        }
        let (mut left, mut right) = (ChannelSpectrum::new(c), ChannelSpectrum::new(c));
        left.push(&x.narrow(0, 0, cut).unwrap()).unwrap();
        right.push(&x.narrow(0, cut, 9 - cut).unwrap()).unwrap();
        left.merge(&right).unwrap();
        for other in [one_by_one, left] {
            prop_assert_eq!(other.count(), whole.count());
            assert_close(other.rms(), whole.rms());
            for (a, b) in other.amplitude().into_iter().zip(whole.amplitude()) {
                assert_close(a, b);
            }
        }
    }

    #[test]
    fn a_channel_permutation_keeps_bin_zero_and_the_energy(seed: u64, order in orders()) {
        let x = tensor(seed, &[2, order.len(), 2, 3]);
        let order = Tensor::new(order, &Device::Cpu).unwrap();
        let (before, after) = (spectrum_of(&x), spectrum_of(&x.index_select(&order, 1).unwrap()));
        assert_close(after.amplitude()[0], before.amplitude()[0]);
        assert_close(after.rms(), before.rms());
    }

    #[test]
    fn strides_do_not_matter(seed: u64, c in 1usize..20) {
        let tokens = tensor(seed, &[3, 2, 4, c]);
        let view = tokens.permute((0, 3, 1, 2)).unwrap();
        let strided = spectrum_of(&view);
        let packed = spectrum_of(&view.force_contiguous().unwrap());
        prop_assert_eq!(strided.amplitude(), packed.amplitude());
    }
}
