//! Five numbers that say how times are spread.

/// Minimum, quartiles and maximum of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The smallest.
    pub min: f64,
    /// The first quartile.
    pub q1: f64,
    /// The median.
    pub median: f64,
    /// The third quartile.
    pub q3: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Of these numbers; `None` without any. Quartiles are interpolated linearly between order statistics, as numpy's
    /// `quantile` does (Hyndman and Fan 1996, type 7).
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let quantile = |p: f64| {
            let place = p * last as f64;
            let (below, above) = (place.floor(), place.ceil());
            let (low, high) = (sorted[below as usize], sorted[above as usize]);
            low + (high - low) * (place - below)
        };
        Some(Self {
            min: sorted[0],
            q1: quantile(0.25),
            median: quantile(0.5),
            q3: quantile(0.75),
            max: sorted[last],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(numbers: &[f64]) -> [f64; 5] {
        let s = Summary::of(numbers).unwrap();
        [s.min, s.q1, s.median, s.q3, s.max]
    }

    /// By hand, and numpy's: `numpy.quantile([4, 1, 3, 2], [0, .25, .5, .75, 1])`.
    #[test]
    fn quartiles_of_a_few_numbers() {
        assert_eq!(summary(&[4.0, 1.0, 3.0, 2.0]), [1.0, 1.75, 2.5, 3.25, 4.0]);
        assert_eq!(summary(&[5.0, 1.0, 2.0]), [1.0, 1.5, 2.0, 3.5, 5.0]);
        assert_eq!(summary(&[10.0, 20.0]), [10.0, 12.5, 15.0, 17.5, 20.0]);
        assert_eq!(summary(&[7.0]), [7.0; 5]);
        assert_eq!(Summary::of(&[]), None);
    }
}
