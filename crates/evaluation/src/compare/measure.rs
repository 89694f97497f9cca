//! What two layers are compared by.

use serde::{Deserialize, Serialize};
use spectralkd_report::figure::Axis;

use super::comparison::PairRow;

/// A measure of how alike or how far apart two layers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The paper's loss (squared feature units); 0 for equal features.
    SpectralLoss,
    /// Mean squared error (squared feature units); 0 for equal features.
    Mse,
    /// Linear CKA, biased, 0 ..= 1; 1 for equal features.
    Cka,
    /// Log-spectral distance of the channel spectra (dB); 0 for equal spectra.
    SpectrumDistance,
}

impl Measure {
    /// All measures, in the order of the columns of `compare.csv`.
    pub const ALL: [Self; 4] = [
        Self::SpectralLoss,
        Self::Mse,
        Self::Cka,
        Self::SpectrumDistance,
    ];

    /// The name of its column.
    pub fn column(self) -> &'static str {
        match self {
            Self::SpectralLoss => "spectral_loss",
            Self::Mse => "mse",
            Self::Cka => "cka",
            Self::SpectrumDistance => "spectrum_distance",
        }
    }

    /// The name as people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::SpectralLoss => "spectral loss",
            Self::Mse => "mean squared error",
            Self::Cka => "linear CKA",
            Self::SpectrumDistance => "log-spectral distance",
        }
    }

    /// Its value in a row; none where CKA is not defined.
    pub fn of(self, row: &PairRow) -> Option<f64> {
        match self {
            Self::SpectralLoss => Some(row.spectral_loss),
            Self::Mse => Some(row.mse),
            Self::Cka => row.cka,
            Self::SpectrumDistance => Some(row.spectrum_distance),
        }
    }

    /// Its axis with name and unit; the errors on a logarithmic one where these
    /// values allow it and span more than a decade.
    pub fn axis(self, values: &[Vec<Option<f64>>]) -> Axis {
        let axis = Axis::new(self.title());
        match self {
            Self::Cka => axis.unit("biased; 1: alike"),
            Self::SpectrumDistance => axis.unit("dB; 0: alike"),
            Self::SpectralLoss | Self::Mse => {
                let axis = axis.unit("squared feature units; 0: alike");
                let all = || values.iter().flatten().flatten().copied();
                let low = all().fold(f64::INFINITY, f64::min);
                let high = all().fold(0.0, f64::max);
                if low > 0.0 && high > 10.0 * low {
                    axis.logarithmic()
                } else {
                    axis
                }
            }
        }
    }
}
