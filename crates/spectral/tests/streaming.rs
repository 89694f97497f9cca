//! Streaming statistics against sorted values, permuted spectra against permuted features, spatial
//! spectra against the slow transform.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use spectralkd_spectral::oracle::{self, Complex64};
use spectralkd_spectral::{AmplitudeStatistics, ChannelSpectrum, PermutedSpectra, SpatialSpectrum};
use spectralkd_testing::{drawn, flat, on_pools, tensor};

fn close(a: f64, b: f64, tolerance: f64) {
    assert!(
        (a - b).abs() <= tolerance * b.abs().max(1e-12),
        "{a} against {b}"
    );
}

/// Amplitudes over many decades, some of them zero.
fn amplitudes(seed: u64, count: usize) -> Vec<f64> {
    let wide = |x: f64| {
        if x.abs() < 0.03 {
            0.0
        } else {
            (20.0 * x).exp()
        }
    };
    drawn(seed, count).into_iter().map(wide).collect()
}

fn column(rows: &[f64], bins: usize, bin: usize) -> Vec<f64> {
    rows.iter().skip(bin).step_by(bins).copied().collect()
}

fn by_sorting(values: &[f64], level: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (level * values.len() as f64).ceil() as usize;
    sorted[rank.max(1) - 1]
}

fn assert_agrees(statistics: &AmplitudeStatistics, rows: &[f64]) {
    let bins = statistics.bins();
    assert_eq!(statistics.count() as usize, rows.len() / bins);
    for bin in 0..bins {
        let values = column(rows, bins, bin);
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        close(statistics.mean()[bin], mean, 1e-12);
        close(statistics.standard_deviation()[bin], variance.sqrt(), 1e-9);
        assert_eq!(statistics.min()[bin], by_sorting(&values, 0.0));
        assert_eq!(statistics.max()[bin], by_sorting(&values, 1.0));
        for level in [0.0, 0.01, 0.05, 0.3, 0.5, 0.95, 0.999, 1.0] {
            let exact = by_sorting(&values, level);
            let got = statistics.quantile(level).unwrap()[bin];
            assert!(
                (got - exact).abs() <= 0.01 * exact,
                "{got} against {exact} at {level}"
            );
        }
    }
}

#[test]
fn a_small_spread_far_from_zero_survives() {
    let noise = drawn(1, 10_000);
    let rows: Vec<f64> = noise.iter().map(|x| 1e9 + x).collect();
    let mut statistics = AmplitudeStatistics::new(1);
    rows.chunks(7)
        .for_each(|part| statistics.push(part).unwrap());
    let sd = statistics.standard_deviation()[0];
    // Uniform over [-1, 1): 1 / sqrt(3).
    assert!((sd * 3f64.sqrt() - 1.0).abs() < 0.02, "{sd}");
}

#[test]
fn the_ends_of_the_range_have_bins_of_their_own() {
    let mut statistics = AmplitudeStatistics::new(1);
    let rows = [0.0, f64::MIN_POSITIVE, 1e-30, 2.0, 1e30, 1e300, f64::MAX];
    statistics.push(&rows).unwrap();
    let quantile = |level| statistics.quantile(level).unwrap()[0];
    assert_eq!((quantile(0.0), quantile(1.0)), (0.0, f64::MAX));
    assert!(quantile(0.4) < 1e-19 && (quantile(0.5) / 2.0 - 1.0).abs() < 0.01);
    assert_eq!(quantile(0.8), f64::MAX);
}

#[test]
fn bad_amplitudes_are_errors_and_change_nothing() {
    let mut statistics = AmplitudeStatistics::new(2);
    statistics.push(&[1.0, 2.0]).unwrap();
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        let message = statistics
            .push(&[1.0, 2.0, 3.0, bad])
            .unwrap_err()
            .to_string();
        assert!(message.contains("at index 3"), "{message}");
    }
    assert!(
        statistics
            .push(&[1.0])
            .unwrap_err()
            .to_string()
            .contains("2 bins")
    );
    assert!(statistics.merge(&AmplitudeStatistics::new(3)).is_err());
    assert!(statistics.quantile(1.5).is_err() && statistics.quantile(f64::NAN).is_err());
    assert_eq!((statistics.count(), statistics.mean()), (1, vec![1.0, 2.0]));
    let empty = AmplitudeStatistics::new(1);
    assert!(empty.mean()[0].is_nan() && empty.quantile(0.5).unwrap()[0].is_nan());
}

#[test]
fn one_order_is_one_permutation_of_the_features() {
    let x = tensor(5, &[3, 12, 4, 5]).affine(40.0, 3.0).unwrap();
    let reversed: Vec<u32> = (0..12).rev().collect();
    let mixed: Vec<u32> = vec![3, 0, 7, 1, 11, 9, 2, 4, 10, 5, 8, 6];
    let orders = vec![(0..12).collect(), reversed, mixed];
    for scale in [1.0, 1e-25, 1e25] {
        let x = x.affine(scale, 0.0).unwrap();
        let mut permuted = PermutedSpectra::new(12, orders.clone()).unwrap();
        permuted.push(&x).unwrap();
        for (order, got) in orders.iter().zip(permuted.amplitudes()) {
            let order = Tensor::new(order.as_slice(), &Device::Cpu).unwrap();
            let mut exact = ChannelSpectrum::new(12);
            exact.push(&x.index_select(&order, 1).unwrap()).unwrap();
            assert_eq!(permuted.count(), exact.count());
            for (a, b) in got.iter().zip(exact.amplitude()) {
                assert!((a - b).abs() < 1e-6 * exact.rms(), "{a} against {b}");
            }
        }
    }
}

#[test]
fn permuted_spectra_refuse_what_is_no_order() {
    for orders in [vec![vec![0, 0, 1]], vec![vec![0, 1]], vec![vec![0, 1, 3]]] {
        assert!(PermutedSpectra::new(3, orders).is_err());
    }
    let mut a = PermutedSpectra::new(2, vec![vec![0, 1]]).unwrap();
    let nan = Tensor::new(f32::NAN, &Device::Cpu).unwrap();
    let nan = nan.broadcast_as((1, 2, 3, 3)).unwrap();
    assert!(
        a.push(&nan)
            .unwrap_err()
            .to_string()
            .contains("[1, 2, 3, 3]")
    );
    assert!(a.push(&tensor(1, &[1, 3, 2, 2])).is_err());
    assert!(
        a.merge(&PermutedSpectra::new(2, vec![vec![1, 0]]).unwrap())
            .is_err()
    );
    assert_eq!(a.count(), 0);
}

#[test]
fn spatial_spectra_are_the_slow_transforms() {
    for (h, w) in [(4, 6), (5, 3), (1, 4), (3, 1)] {
        let x = tensor(2, &[2, 3, h, w]);
        let mut spatial = SpatialSpectrum::new([h, w]);
        spatial.push(&x.narrow(0, 0, 1).unwrap()).unwrap();
        let mut other = SpatialSpectrum::new([h, w]);
        other.push(&x.narrow(0, 1, 1).unwrap()).unwrap();
        spatial.merge(&other).unwrap();
        assert_eq!(spatial.count(), 6);
        let maps = flat(&x);
        let mut full = vec![0.0; h * w];
        for map in maps.chunks_exact(h * w) {
            let rows = map.chunks_exact(w).map(|row| {
                oracle::dft(&row.iter().map(|&v| Complex64::from(v)).collect::<Vec<_>>())
            });
            let rows: Vec<Vec<Complex64>> = rows.collect();
            for k in 0..w {
                let column: Vec<_> = rows.iter().map(|row| row[k]).collect();
                for (j, value) in oracle::dft(&column).into_iter().enumerate() {
                    full[j * w + k] += value.norm() / ((h * w) as f64).sqrt() / 6.0;
                }
            }
        }
        for (i, got) in spatial.amplitude().into_iter().enumerate() {
            let (j, k) = (i / (w / 2 + 1), i % (w / 2 + 1));
            close(got, full[j * w + k], 1e-12);
        }
        // Rings by the definition, over the full spectrum.
        let smallest = h.min(w);
        let signed = |k: usize, n: usize| k.min(n - k) as f64 / n as f64;
        let (mut sums, mut counts) = (vec![0.0; smallest / 2 + 1], vec![0.0; smallest / 2 + 1]);
        for (i, value) in full.iter().enumerate() {
            let radius = signed(i / w, h).hypot(signed(i % w, w));
            let ring = (smallest as f64 * radius + 0.5 + 1e-12).floor() as usize;
            if ring < sums.len() {
                sums[ring] += value;
                counts[ring] += 1.0;
            }
        }
        for ((got, sum), count) in spatial.radial().unwrap().iter().zip(sums).zip(counts) {
            close(*got, sum / count, 1e-12);
        }
    }
}

#[test]
fn spatial_spectra_refuse_other_maps() {
    let mut spatial = SpatialSpectrum::new([2, 2]);
    assert!(spatial.push(&tensor(1, &[1, 1, 2, 3])).is_err());
    let bad = tensor(1, &[1, 1, 2, 2]).affine(f64::NAN, 0.0).unwrap();
    assert!(spatial.push(&bad).is_err());
    assert!(spatial.merge(&SpatialSpectrum::new([2, 3])).is_err());
    assert_eq!(spatial.count(), 0);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let x = tensor(3, &[9, 24, 7, 5]).to_dtype(DType::F32).unwrap();
    let results = on_pools(|| {
        let mut channel = ChannelSpectrum::new(24);
        channel.push(&x).unwrap();
        let mut permuted = PermutedSpectra::new(24, vec![(0..24).rev().collect()]).unwrap();
        permuted.push(&x).unwrap();
        let mut spatial = SpatialSpectrum::new([7, 5]);
        spatial.push(&x).unwrap();
        let mut numbers = channel.statistics().standard_deviation();
        numbers.extend(channel.statistics().quantile(0.3).unwrap());
        numbers.extend(permuted.amplitudes().flatten());
        numbers.extend(spatial.amplitude());
        numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>()
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_split_and_any_merge_give_the_sorted_answer(
        seed: u64, bins in 1usize..4, cuts in prop::collection::vec(0usize..=40, 2..6),
    ) {
        let rows = amplitudes(seed, 40 * bins);
        let mut ends = cuts;
        ends.extend([0, 40]);
        ends.sort_unstable();
        let parts: Vec<AmplitudeStatistics> = ends.windows(2).map(|ends| {
            let mut part = AmplitudeStatistics::new(bins);
            part.push(&rows[ends[0] * bins..ends[1] * bins]).unwrap();
            part
        }).collect();
        let mut streamed = AmplitudeStatistics::new(bins);
        for ends in ends.windows(2) {
            streamed.push(&rows[ends[0] * bins..ends[1] * bins]).unwrap();
        }
        // ((a b) c) ... and (a (b (c ...))).
        let mut left = AmplitudeStatistics::new(bins);
        parts.iter().for_each(|part| left.merge(part).unwrap());
        let mut right = AmplitudeStatistics::new(bins);
        for part in parts.iter().rev() {
            let mut sum = part.clone();
            sum.merge(&right).unwrap();
            right = sum;
        }
        for statistics in [&streamed, &left, &right] {
            assert_agrees(statistics, &rows);
            for level in [0.05, 0.5, 0.95] {
                prop_assert_eq!(statistics.quantile(level).unwrap(), left.quantile(level).unwrap());
            }
        }
    }

    #[test]
    fn every_value_is_within_one_percent_of_its_bin(exponent in -60.0..60.0f64) {
        let value = exponent.exp2();
        let mut statistics = AmplitudeStatistics::new(1);
        statistics.push(&[value / 2.0, value, value * 2.0]).unwrap();
        let got = statistics.quantile(0.5).unwrap()[0];
        prop_assert!((got / value - 1.0).abs() < 0.01, "{} against {}", got, value);
    }
}
