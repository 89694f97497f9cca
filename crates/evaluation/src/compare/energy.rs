//! The squared error of two feature maps, and its parts by frequency along W.

/// Parseval's split of a squared error, summed over everything seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Energy {
    /// E: sum of d².
    pub(super) total: f64,
    /// E_dc: the part at frequency 0 along W.
    pub(super) dc: f64,
    /// E_nyquist: the part at frequency W/2 along W; zero for odd W.
    pub(super) nyquist: f64,
}

impl Energy {
    /// Of the difference of two maps `[..., W]` of one shape.
    ///
    /// Along a row, the sums of d over even and over odd w are all that is
    /// needed: the zero frequency is their sum, the Nyquist frequency their
    /// difference, both over √W (ortho).
    pub(super) fn between(a: &[f64], b: &[f64], width: usize) -> Self {
        let mut energy = Self::default();
        for (a, b) in a.chunks_exact(width).zip(b.chunks_exact(width)) {
            let (mut squares, mut even, mut odd) = ([0.0; 2], 0.0, 0.0);
            let (a, b) = (a.chunks_exact(2), b.chunks_exact(2));
            let last = a.remainder().iter().zip(b.remainder()).next();
            for (a, b) in a.zip(b) {
                let (d, e) = (a[0] - b[0], a[1] - b[1]);
                squares[0] += d * d;
                squares[1] += e * e;
                even += d;
                odd += e;
            }
            if let Some((a, b)) = last {
                squares[0] += (a - b) * (a - b);
                even += a - b;
            }
            energy.total += squares[0] + squares[1];
            energy.dc += (even + odd) * (even + odd);
            energy.nyquist += (even - odd) * (even - odd);
        }
        energy.dc /= width as f64;
        energy.nyquist = if width.is_multiple_of(2) {
            energy.nyquist / width as f64
        } else {
            0.0
        };
        energy
    }

    pub(super) fn add(&mut self, other: Self) {
        self.total += other.total;
        self.dc += other.dc;
        self.nyquist += other.nyquist;
    }

    /// The paper's loss over `images` images of `[C, H, W]`:
    /// (E + E_dc + E_nyquist) / (4 N C H (⌊W/2⌋ + 1)).
    pub(super) fn spectral_loss(&self, images: usize, [c, h, w]: [usize; 3]) -> f64 {
        let count = 4.0 * images as f64 * (c * h * (w / 2 + 1)) as f64;
        (self.total + self.dc + self.nyquist) / count
    }

    /// E / (N C H W).
    pub(super) fn mse(&self, images: usize, [c, h, w]: [usize; 3]) -> f64 {
        self.total / (images as f64 * (c * h * w) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_split_as_by_hand() {
        // Differences 1 2 3 4: sum 10, alternating sum -2.
        let e = Energy::between(&[1.0, 2.0, 3.0, 4.0], &[0.0; 4], 4);
        assert_eq!((e.total, e.dc, e.nyquist), (30.0, 25.0, 1.0));
        // Two rows of odd width: no Nyquist frequency.
        let e = Energy::between(&[1.0, 2.0, 3.0, 0.0, 0.0, 6.0], &[0.0; 6], 3);
        assert_eq!((e.total, e.dc, e.nyquist), (50.0, 24.0, 0.0));
        // Width 1: everything is the zero frequency.
        let e = Energy::between(&[3.0], &[1.0], 1);
        assert_eq!((e.total, e.dc, e.nyquist), (4.0, 4.0, 0.0));
        assert_eq!(e.spectral_loss(1, [1, 1, 1]), 2.0);
        assert_eq!(e.mse(1, [1, 1, 1]), 4.0);
    }
}
