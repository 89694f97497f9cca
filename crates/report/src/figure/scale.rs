//! The way from values to coordinates.

/// An affine map from (the logarithm of) a value to a coordinate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    logarithmic: bool,
    low: f64,
    span: f64,
    from: f64,
    length: f64,
}

impl Scale {
    /// From values between `ends` to coordinates between `to`.
    pub(crate) fn new(logarithmic: bool, ends: (f64, f64), to: (f64, f64)) -> Self {
        let warp = |v: f64| if logarithmic { v.log10() } else { v };
        Self {
            logarithmic,
            low: warp(ends.0),
            span: warp(ends.1) - warp(ends.0),
            from: to.0,
            length: to.1 - to.0,
        }
    }

    /// The coordinate of a value.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let value = if self.logarithmic {
            value.log10()
        } else {
            value
        };
        self.from + (value - self.low) / self.span * self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_affine() {
        let scale = Scale::new(false, (0.0, 10.0), (100.0, 0.0));
        assert_eq!(
            (scale.at(0.0), scale.at(2.5), scale.at(10.0)),
            (100.0, 75.0, 0.0)
        );
        let scale = Scale::new(true, (0.01, 100.0), (0.0, 4.0));
        assert!((scale.at(1.0) - 2.0).abs() < 1e-12);
    }
}
