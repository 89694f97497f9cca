//! The histogram of feature values, fine enough for an entropy over 100 bins.

use std::ops::RangeInclusive;

/// Bins of the entropy, as in the follow-up's script.
pub(super) const BINS: usize = 100;

/// Fine bins below zero, and as many from zero on.
const HALF: i64 = 1 << 15;
/// No bin is narrower than `2^-1000`.
const NARROWEST: i32 = -1000;

/// Counts of values in 65,536 bins of one width, a power of two that the largest modulus seen
/// decides. Bins of one width are pairs of bins of half the width, so that widening loses nothing
/// and the counts depend on the values alone, neither on their order nor on batches or shards.
#[derive(Clone, Debug)]
pub(super) struct ValueHistogram {
    /// The width of a bin is 2 to this power.
    exponent: i32,
    counts: Vec<u64>,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// An entropy read from a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entropy {
    /// The entropy in nats, 0 to ln 100 = 4.605.
    pub nats: f64,
    /// How far it is from the exact one at most, in nats. The values of fine bins that lie across an
    /// edge are divided in proportion; if all of them lay on the wrong side, the distribution would be
    /// off by their share `t`, and the entropy by at most `t ln 99 - t ln t - (1 - t) ln(1 - t)`
    /// (Audenaert, 2007). The actual error is usually a hundredth of that.
    pub error: f64,
}

impl ValueHistogram {
    pub(super) fn new() -> Self {
        Self {
            exponent: NARROWEST,
            counts: vec![0; 2 * HALF as usize],
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }

    /// Counts finite values.
    pub(super) fn push(&mut self, values: &[f64]) {
        for &value in values {
            self.min = self.min.min(value);
            self.max = self.max.max(value);
        }
        self.widen();
        let per_unit = f64::from(-self.exponent).exp2();
        for &value in values {
            self.counts[((value * per_unit).floor() as i64 + HALF) as usize] += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.widen();
        let shift = (self.exponent - other.exponent).clamp(0, 63);
        for (i, &count) in other.counts.iter().enumerate().filter(|(_, c)| **c > 0) {
            self.counts[(((i as i64 - HALF) >> shift) + HALF) as usize] += count;
        }
    }

    /// Makes the bins as wide as the largest modulus needs: below `HALF` bins.
    fn widen(&mut self) {
        let largest = self.min.abs().max(self.max.abs());
        if !largest.is_finite() || largest == 0.0 {
            return;
        }
        // The exponent of the float itself: no rounding of a logarithm decides.
        let power = ((largest.to_bits() >> 52) as i32 - 1023) + 1;
        let exponent = (power - HALF.trailing_zeros() as i32).max(NARROWEST);
        let shift = exponent - self.exponent;
        if shift <= 0 {
            return;
        }
        let old = std::mem::replace(&mut self.counts, vec![0; 2 * HALF as usize]);
        for (i, count) in old.into_iter().enumerate().filter(|(_, c)| *c > 0) {
            self.counts[(((i as i64 - HALF) >> shift.min(63)) + HALF) as usize] += count;
        }
        self.exponent = exponent;
    }

    /// The entropy over 100 bins of one width over a range that holds all values; zero where the
    /// range is one value.
    pub(super) fn entropy(&self, range: RangeInclusive<f64>) -> Entropy {
        let (low, high) = range.into_inner();
        let width = f64::from(self.exponent).exp2();
        let total: u64 = self.counts.iter().sum();
        // Halves, since the difference of two large values may overflow.
        let place = |x: f64| (x / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) * BINS as f64;
        let last = BINS - 1;
        let mut bins = [0.0; BINS];
        let mut doubtful = 0.0;
        for (i, &count) in self.counts.iter().enumerate().filter(|(_, c)| **c > 0) {
            let share = count as f64 / total as f64;
            let start = (i as i64 - HALF) as f64 * width;
            let (from, to) = (start.max(self.min), (start + width).min(self.max));
            let (from, to) = (place(from).clamp(0.0, BINS as f64), place(to));
            let first = (from as usize).min(last);
            let end = ((to.ceil() as usize).max(1) - 1).clamp(first, last);
            if first == end {
                bins[first] += share;
                continue;
            }
            doubtful += share;
            for (bin, value) in bins.iter_mut().enumerate().take(end + 1).skip(first) {
                let upper = if bin == last {
                    to
                } else {
                    to.min(bin as f64 + 1.0)
                };
                *value += share * (upper - from.max(bin as f64)) / (to - from);
            }
        }
        let part = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
        let nats = bins.iter().map(|&p| part(p)).sum::<f64>();
        let most = (BINS as f64).ln();
        let bound = doubtful * (last as f64).ln() + part(doubtful) + part(1.0 - doubtful);
        let error = if doubtful < last as f64 / BINS as f64 {
            bound.min(most)
        } else {
            most
        };
        Entropy { nats, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use spectralkd_base::random::Stream;

    fn of(values: &[f64]) -> ValueHistogram {
        let mut histogram = ValueHistogram::new();
        histogram.push(values);
        histogram
    }

    /// NumPy's histogram over the values' own range, and its entropy.
    fn by_definition(values: &[f64], low: f64, high: f64) -> f64 {
        let mut bins = [0u32; BINS];
        for v in values {
            bins[(((v - low) / (high - low) * 100.0) as usize).min(99)] += 1;
        }
        let shares = bins.iter().map(|&c| f64::from(c) / values.len() as f64);
        -shares.filter(|p| *p > 0.0).map(|p| p * p.ln()).sum::<f64>()
    }

    #[test]
    fn outliers_cost_little() {
        let mut stream = Stream::new(1, "values");
        for outlier in [0.0, 20.0, 300.0] {
            let mut values: Vec<f64> = (0..200_000).map(|_| stream.normal()).collect();
            values[7] = outlier;
            let h = of(&values);
            let got = h.entropy(h.min..=h.max);
            let exact = by_definition(&values, h.min, h.max);
            assert!((got.nats - exact).abs() < 2e-3, "{got:?} against {exact}");
            assert!(
                (got.nats - exact).abs() <= got.error && got.error < 0.1,
                "{got:?}"
            );
        }
    }

    #[test]
    fn one_value_has_no_entropy() {
        for value in [0.0, -3.5, 1e300, 1e-300] {
            let h = of(&[value; 9]);
            assert_eq!(h.entropy(h.min..=h.max).nats, 0.0);
        }
        let h = of(&[-f64::MAX, f64::MAX]);
        assert!((h.entropy(h.min..=h.max).nats - 2f64.ln()).abs() < 1e-12);
        // A wider range than the values': all in one bin.
        assert_eq!(of(&[0.1, 0.2]).entropy(-50.0..=50.0).nats, 0.0);
    }

    proptest! {
        #[test]
        fn order_and_shards_change_nothing(
            mut values in prop::collection::vec(-1e3..1e3f64, 2..60), cut: prop::sample::Index,
            small in -1e-9..1e-9f64,
        ) {
            values.push(small);
            let whole = of(&values);
            let (a, b) = values.split_at(cut.index(values.len()));
            let mut merged = of(b);
            merged.merge(&of(a));
            let mut one_by_one = ValueHistogram::new();
            values.iter().rev().for_each(|v| one_by_one.push(&[*v]));
            for other in [merged, one_by_one] {
                prop_assert_eq!(other.exponent, whole.exponent);
                prop_assert!(other.counts == whole.counts);
            }
            let got = whole.entropy(whole.min..=whole.max);
            let exact = by_definition(&values, whole.min, whole.max);
            prop_assert!((got.nats - exact).abs() <= got.error + 1e-12, "{:?} {}", got, exact);
        }
    }
}
