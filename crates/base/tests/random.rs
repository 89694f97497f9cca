//! Streams: fixed draws, independence of keys, and the distributions they promise.
//!
//! The statistics run on fixed seeds: they pass or fail for good, and the bounds are at
//! five standard deviations or more of what a true random source would give.

use std::collections::HashSet;

use spectralkd_base::random::Stream;

const DRAWS: usize = 200_000;

/// Old runs must stay reproducible: these words may never change. They were computed apart,
/// from the module's description, in a few lines of Python.
#[test]
fn draws_are_fixed_for_good() {
    let mut stream = Stream::new(7, "init").named("head.weight").at(3);
    let words: Vec<u32> = (0..6).map(|_| stream.next_u32()).collect();
    assert_eq!(words, FIXED_WORDS);
    assert_eq!(Stream::new(7, "init").permutation(10), FIXED_ORDER);
}

const FIXED_WORDS: [u32; 6] = [
    68939332, 769618476, 46662277, 4133969284, 3961753916, 2241291317,
];
const FIXED_ORDER: [u32; 10] = [7, 5, 0, 2, 3, 1, 6, 9, 8, 4];

#[test]
fn children_ignore_how_far_the_parent_is_drawn() {
    let fresh = Stream::new(1, "a");
    let mut drawn = fresh.clone();
    for _ in 0..13 {
        drawn.next_u32();
    }
    assert_eq!(fresh.at(5).next_u64(), drawn.at(5).next_u64());
    assert_eq!(fresh.named("x").next_u64(), drawn.named("x").next_u64());
}

#[test]
fn different_keys_give_different_streams() {
    let mut streams = Vec::new();
    for seed in [0, 1, u64::MAX] {
        for purpose in ["", "init", "flip", "inits"] {
            let stream = Stream::new(seed, purpose);
            streams.extend([stream.clone(), stream.named("0"), stream.named("1")]);
            streams.extend([stream.at(0), stream.at(1), stream.at(1 << 32)]);
            streams.extend([stream.at(0).at(1), stream.at(1).at(0)]);
            streams.extend([stream.named("ab"), stream.named("a").named("b")]);
        }
    }
    let firsts: HashSet<u64> = streams.iter_mut().map(Stream::next_u64).collect();
    assert_eq!(firsts.len(), streams.len());
}

#[test]
fn words_of_all_sizes_share_one_position() {
    let mut by_32 = Stream::new(0, "words");
    let mut mixed = by_32.clone();
    let words: Vec<u64> = (0..8).map(|_| u64::from(by_32.next_u32())).collect();
    assert_eq!(u64::from(mixed.next_u32()), words[0]);
    assert_eq!(mixed.next_u64(), words[1] | (words[2] << 32));
    assert_eq!(mixed.next_u64(), words[3] | (words[4] << 32)); // across two blocks
    let unit = mixed.uniform();
    assert_eq!(
        unit,
        ((words[5] | (words[6] << 32)) >> 11) as f64 / 2f64.powi(53)
    );
    assert_eq!(u64::from(mixed.next_u32()), words[7]);
}

#[test]
fn uniform_has_the_moments_of_the_unit_interval() {
    let mut stream = Stream::new(11, "uniform");
    let xs: Vec<f64> = (0..DRAWS).map(|_| stream.uniform()).collect();
    assert!(xs.iter().all(|x| (0.0..1.0).contains(x)));
    let (mean, variance, ..) = moments(&xs);
    let sd_of_mean = (1.0 / 12.0 / DRAWS as f64).sqrt();
    assert!((mean - 0.5).abs() < 5.0 * sd_of_mean, "mean {mean}");
    let sd_of_variance = (1.0 / 180.0 / DRAWS as f64).sqrt();
    assert!(
        (variance - 1.0 / 12.0).abs() < 5.0 * sd_of_variance,
        "variance {variance}"
    );
    let lag: f64 = xs.windows(2).map(|w| (w[0] - 0.5) * (w[1] - 0.5)).sum();
    let correlation = lag / (DRAWS as f64 * variance);
    assert!(
        correlation.abs() < 5.0 / (DRAWS as f64).sqrt(),
        "lag-1 correlation {correlation}"
    );
}

#[test]
fn normal_has_the_moments_and_tails_of_a_normal() {
    let mut stream = Stream::new(12, "normal");
    let xs: Vec<f64> = (0..DRAWS).map(|_| stream.normal()).collect();
    let (mean, variance, third, fourth) = moments(&xs);
    let n = DRAWS as f64;
    assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean}");
    assert!(
        (variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
        "variance {variance}"
    );
    assert!(
        third.abs() < 5.0 * (15.0 / n).sqrt(),
        "third moment {third}"
    );
    assert!(
        (fourth - 3.0).abs() < 5.0 * (96.0 / n).sqrt(),
        "fourth moment {fourth}"
    );
    for (limit, share) in [(1.0, 0.317_310_5), (2.0, 0.045_500_3), (3.0, 0.002_699_8)] {
        let beyond = xs.iter().filter(|x| x.abs() > limit).count() as f64 / n;
        let sd = (share * (1.0 - share) / n).sqrt();
        assert!(
            (beyond - share).abs() < 5.0 * sd,
            "beyond {limit}: {beyond}, expected {share}"
        );
    }
}

/// The largest distance between the distribution of the draws and `cdf` (Kolmogorov and
/// Smirnov), in units of 1 / sqrt(number of draws): above 2.3 in 1 of 20,000 cases.
fn distance(mut xs: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    let n = xs.len() as f64;
    xs.sort_unstable_by(f64::total_cmp);
    let gap = |(i, &x): (usize, &f64)| {
        let expected = cdf(x);
        (expected - i as f64 / n).max((i + 1) as f64 / n - expected)
    };
    xs.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn gamma_has_its_distribution() {
    let mut stream = Stream::new(18, "gamma");
    let mut draws = |shape| -> Vec<f64> { (0..DRAWS).map(|_| stream.gamma(shape)).collect() };
    // Shapes 1, 2 and 3 have distributions in closed form.
    let far = distance(draws(1.0), |x| 1.0 - (-x).exp());
    assert!(far < 2.3, "shape 1: {far}");
    let far = distance(draws(2.0), |x| 1.0 - (1.0 + x) * (-x).exp());
    assert!(far < 2.3, "shape 2: {far}");
    let far = distance(draws(3.0), |x| 1.0 - (1.0 + x + x * x / 2.0) * (-x).exp());
    assert!(far < 2.3, "shape 3: {far}");
    // For the others: the mean and the variance are the shape, the fourth moment 3 k^2 + 6 k.
    for shape in [0.2, 0.5, 7.5] {
        let (mean, variance, _, fourth) = moments(&draws(shape));
        let n = DRAWS as f64;
        let of_mean = (shape / n).sqrt();
        assert!((mean - shape).abs() < 5.0 * of_mean, "{shape}: mean {mean}");
        let of_variance = ((3.0 * shape * shape + 6.0 * shape - shape * shape) / n).sqrt();
        assert!(
            (variance - shape).abs() < 5.0 * of_variance,
            "{shape}: variance {variance}"
        );
        let expected = 3.0 * shape * shape + 6.0 * shape;
        assert!(
            (fourth / expected - 1.0).abs() < 0.2,
            "{shape}: fourth {fourth}"
        );
    }
    for shape in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Stream::new(0, "gamma").gamma(shape).is_nan());
    }
}

#[test]
fn beta_has_its_distribution() {
    let mut stream = Stream::new(19, "beta");
    let mut draws = |a, b| -> Vec<f64> { (0..DRAWS).map(|_| stream.beta(a, b)).collect() };
    type Cdf = fn(f64) -> f64;
    let cdf: [(f64, f64, Cdf); 5] = [
        (1.0, 1.0, |x| x),
        (0.5, 0.5, |x| x.sqrt().asin() * std::f64::consts::FRAC_2_PI),
        (2.0, 1.0, |x| x * x),
        (2.0, 3.0, |x| {
            6.0 * x.powi(2) - 8.0 * x.powi(3) + 3.0 * x.powi(4)
        }),
        (0.3, 1.0, |x| x.powf(0.3)),
    ];
    for (a, b, cdf) in cdf {
        let far = distance(draws(a, b), cdf);
        assert!(far < 2.3, "({a}, {b}): {far}");
    }
    let (mean, variance, ..) = moments(&draws(0.8, 0.8));
    let n = DRAWS as f64;
    assert!(
        (mean - 0.5).abs() < 5.0 * (variance / n).sqrt(),
        "mean {mean}"
    );
    assert!((variance - 0.25 / 2.6).abs() < 0.001, "variance {variance}");
    // Of shapes this small one of the two gamma numbers or both are below every f64.
    let extremes = draws(1e-3, 1e-3);
    assert!(extremes.iter().all(|x| (0.0..=1.0).contains(x)));
    let high = extremes.iter().filter(|&&x| x > 0.5).count() as f64;
    assert!((high - n / 2.0).abs() < 5.0 * (n / 4.0).sqrt(), "{high}");
    assert!(Stream::new(0, "beta").beta(0.0, 1.0).is_nan());
}

/// The first draw of neighbouring children (as for flips and drop path) must be as good as
/// consecutive draws of one stream.
#[test]
fn neighbouring_children_are_independent() {
    let parent = Stream::new(13, "flip").at(0);
    let flips: Vec<bool> = (0..DRAWS as u64)
        .map(|i| parent.at(i).bernoulli(0.5))
        .collect();
    let n = DRAWS as f64;
    let heads = flips.iter().filter(|&&f| f).count() as f64;
    assert!(
        (heads - n / 2.0).abs() < 5.0 * (n / 4.0).sqrt(),
        "{heads} of {n}"
    );
    let repeats = flips.windows(2).filter(|w| w[0] == w[1]).count() as f64;
    assert!(
        (repeats - n / 2.0).abs() < 5.0 * (n / 4.0).sqrt(),
        "{repeats} repeats of {n}"
    );
    let next = Stream::new(13, "flip").at(1);
    let agreeing = (0..DRAWS as u64).filter(|&i| next.at(i).bernoulli(0.5) == flips[i as usize]);
    let agreeing = agreeing.count() as f64;
    assert!(
        (agreeing - n / 2.0).abs() < 5.0 * (n / 4.0).sqrt(),
        "{agreeing} agree of {n}"
    );
}

#[test]
fn bernoulli_keeps_to_its_probability_and_its_ends() {
    let mut stream = Stream::new(14, "bernoulli");
    for p in [0.01, 0.3, 0.9] {
        let hits = (0..DRAWS).filter(|_| stream.bernoulli(p)).count() as f64;
        let n = DRAWS as f64;
        assert!(
            (hits - p * n).abs() < 5.0 * (n * p * (1.0 - p)).sqrt(),
            "{hits} at p = {p}"
        );
    }
    assert!((0..1000).all(|_| stream.bernoulli(1.0)));
    assert!(!(0..1000).any(|_| stream.bernoulli(0.0)));
    assert!(!(0..1000).any(|_| stream.bernoulli(f64::NAN)));
}

#[test]
fn below_is_uniform_even_where_a_remainder_would_not_be() {
    let mut stream = Stream::new(15, "below");
    let mut counts = [0u32; 7];
    for _ in 0..DRAWS {
        counts[stream.below(7) as usize] += 1;
    }
    let expected = DRAWS as f64 / 7.0;
    let chi2: f64 = counts
        .iter()
        .map(|&c| (f64::from(c) - expected).powi(2) / expected)
        .sum();
    assert!(chi2 < 35.9, "chi-squared {chi2} with 6 degrees of freedom"); // p = 3e-6

    // With n = 3 * 2^62 a plain remainder would give the first third twice as often.
    let n = 3u64 << 62;
    let thirds = (0..DRAWS).filter(|_| stream.below(n) < 1 << 62).count() as f64;
    let share = thirds / DRAWS as f64;
    assert!(
        (share - 1.0 / 3.0).abs() < 0.006,
        "first third drawn {share}"
    );

    assert_eq!(stream.below(1), 0);
    assert_eq!(stream.below(0), 0);
}

#[test]
fn shuffles_are_permutations_and_all_equally_likely() {
    let mut sorted = Stream::new(16, "order").permutation(1000);
    assert_ne!(sorted, (0..1000).collect::<Vec<u32>>());
    sorted.sort_unstable();
    assert_eq!(sorted, (0..1000).collect::<Vec<u32>>());
    assert!(Stream::new(16, "order").permutation(0).is_empty());

    let mut counts = std::collections::HashMap::new();
    let mut stream = Stream::new(17, "orders");
    for _ in 0..24_000 {
        *counts.entry(stream.permutation(4)).or_insert(0u32) += 1;
    }
    assert_eq!(counts.len(), 24);
    let chi2: f64 = counts
        .values()
        .map(|&c| (f64::from(c) - 1000.0).powi(2) / 1000.0)
        .sum();
    assert!(chi2 < 65.0, "chi-squared {chi2} with 23 degrees of freedom"); // p = 7e-6
}

/// Mean, and the second to fourth moments about it.
fn moments(xs: &[f64]) -> (f64, f64, f64, f64) {
    let n = xs.len() as f64;
    let mean = xs.iter().sum::<f64>() / n;
    let about = |k: i32| xs.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n;
    (mean, about(2), about(3), about(4))
}
