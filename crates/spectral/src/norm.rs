//! The three usual normalisations of a discrete Fourier transform.

/// Where the factor `1/n` of a transform over `n` points goes, named as in NumPy and PyTorch.
///
/// Parseval's theorem reads, with `E_x` the energy of the signal and `E_X` that of its full
/// spectrum, `E_X = n * scale(n)^2 * E_x`: `E_X = n * E_x` (backward), `E_X = E_x` (ortho), `E_X =
/// E_x / n` (forward).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Norm {
    /// The forward transform is the plain sum; the inverse carries `1/n`.
    #[default]
    Backward,
    /// Both directions carry `1/sqrt(n)`: the transform is unitary.
    Ortho,
    /// The forward transform carries `1/n`, so that the zero frequency is the mean.
    Forward,
}

impl Norm {
    /// The factor on the plain sum of a forward transform over `points` points (for a 2-D transform
    /// `H * W`).
    pub fn scale(self, points: usize) -> f64 {
        match self {
            Norm::Backward => 1.0,
            Norm::Ortho => 1.0 / (points as f64).sqrt(),
            Norm::Forward => 1.0 / points as f64,
        }
    }

    /// The factor on the plain sum of an inverse transform over `points` points, so that forward and
    /// inverse undo each other.
    pub fn inverse_scale(self, points: usize) -> f64 {
        match self {
            Norm::Backward => 1.0 / points as f64,
            Norm::Ortho => 1.0 / (points as f64).sqrt(),
            Norm::Forward => 1.0,
        }
    }
}
