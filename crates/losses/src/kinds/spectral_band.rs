//! `kind = "spectral-band"`: the spectral loss on a part of the frequencies, a control.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use spectralkd_spectral::{FrequencyGrid, Norm, rfft2};

use crate::maps::matched;
use crate::squared_error::{Weights, squared_error};
use crate::{
    Alignment, Context, Grid, Inputs, Kind, Needs, Objective, Pairs, Result, Term, Width, Wrong,
};

/// [`spectral_band_loss`] between the student's maps and its teacher's, averaged over the pairs of
/// layers: what of [`super::Spectral`] comes from low frequencies, from high ones, or from the mean
/// over the map alone. A control of ours; the paper compares all frequencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpectralBand {
    /// Which frequencies.
    pub band: Band,
    /// Where low frequencies end and high ones begin, as a radius in cycles per pixel of the map: 0
    /// to `sqrt(1/2)`. None with [`Band::Dc`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<f64>,
    /// The layers that are compared.
    #[serde(default, skip_serializing_if = "Pairs::is_shared")]
    pub pairs: Pairs,
    /// How widths are matched.
    #[serde(default)]
    pub width: Width,
    /// How grids are matched.
    #[serde(default)]
    pub grid: Grid,
}

/// A part of the frequencies of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Band {
    /// Radius at most the cutoff; the zero frequency is among them.
    Low,
    /// Radius above the cutoff.
    High,
    /// The zero frequency alone.
    Dc,
}

/// The bins that count, by their radius in cycles per pixel ([`FrequencyGrid::radius`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bins {
    /// Radius at most this; 0 is the zero frequency alone.
    UpTo(f64),
    /// Radius above this.
    Above(f64),
}

impl SpectralBand {
    fn bins(&self) -> Result<Bins, Wrong> {
        let most = std::f64::consts::FRAC_1_SQRT_2;
        match (self.band, self.cutoff) {
            (Band::Dc, None) => Ok(Bins::UpTo(0.0)),
            (Band::Dc, Some(_)) => Err(Wrong::new("cutoff", "band = \"dc\" has no cutoff")),
            (_, None) => {
                let rule = "give the cutoff between low and high, in cycles per pixel";
                Err(Wrong::new("band", rule))
            }
            (_, Some(cutoff)) if !(0.0..=most).contains(&cutoff) => {
                let rule = format!("must be 0 to {most:.4} cycles per pixel, got {cutoff}");
                Err(Wrong::new("cutoff", rule))
            }
            (Band::Low, Some(cutoff)) => Ok(Bins::UpTo(cutoff)),
            (Band::High, Some(cutoff)) => Ok(Bins::Above(cutoff)),
        }
    }
}

impl Kind for SpectralBand {
    const KIND: &'static str = "spectral-band";

    fn check(&self) -> Result<(), Wrong> {
        self.bins()?;
        self.pairs.check()
    }

    fn pairs(&self) -> Option<&Pairs> {
        Some(&self.pairs)
    }

    fn pairs_mut(&mut self) -> Option<&mut Pairs> {
        Some(&mut self.pairs)
    }

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>> {
        let bins = self.bins()?;
        let align = match bins {
            Bins::UpTo(_) => Alignment::new,
            Bins::Above(_) => Alignment::without_bias,
        };
        let alignment = align(&self.pairs, self.width, self.grid, context)?;
        for pair in alignment.pairs() {
            let radius = FrequencyGrid::half(&pair.grid)?.radius();
            if !radius.iter().any(|&radius| bins.hold(radius)) {
                let [h, w] = pair.grid;
                let rule = format!("no frequency of a {h}x{w} map lies above it");
                return Err(Wrong::new("cutoff", rule).into());
            }
        }
        Ok(Box::new(BandObjective { bins, alignment }))
    }
}

impl Bins {
    fn hold(self, radius: f64) -> bool {
        match self {
            Self::UpTo(cutoff) => radius <= cutoff,
            Self::Above(cutoff) => radius > cutoff,
        }
    }
}

#[derive(Debug)]
struct BandObjective {
    bins: Bins,
    alignment: Alignment,
}

impl Objective for BandObjective {
    fn needs(&self) -> &Needs {
        self.alignment.needs()
    }

    fn terms(&self, inputs: &Inputs<'_>) -> Result<Vec<Term>> {
        let loss = |s: &Tensor, t: &Tensor| spectral_band_loss(s, t, self.bins);
        Ok(Term::only(self.alignment.mean(inputs, loss)?))
    }
}

/// The part of [`super::spectral::spectral_loss`] that these bins hold: their squared errors, over the
/// same number `2 B C H (W/2 + 1)` of all real and imaginary parts. What two complementary sets of
/// bins hold therefore adds up to the whole loss.
///
/// Student features `[B, C_s, H, W]` and teacher features `[B, C_t, H, W]` with `C_s <= C_t`; the
/// teacher is pooled, and a constant.
///
/// # Errors
/// As the whole loss, and a cutoff that is negative or not finite.
pub fn spectral_band_loss(student: &Tensor, teacher: &Tensor, bins: Bins) -> Result<Tensor> {
    let (student, teacher) = matched(student, teacher)?;
    // The transform is linear: one of the difference will do.
    let spectrum = rfft2(&(student - teacher)?, Norm::Ortho)?;
    let grid = FrequencyGrid::of(&spectrum)?;
    let (dtype, device) = (spectrum.as_tensor().dtype(), spectrum.as_tensor().device());
    let mask = match bins {
        Bins::UpTo(cutoff) => grid.low_pass(cutoff, dtype, device)?,
        Bins::Above(cutoff) => grid.high_pass(cutoff, dtype, device)?,
    };
    let kept = spectrum.mask(&mask)?.into_tensor();
    let weights = Weights::mean(kept.dims());
    Ok(squared_error(&kept, &kept.zeros_like()?, weights)?)
}
