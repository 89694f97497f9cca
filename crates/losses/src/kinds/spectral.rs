//! `kind = "spectral"`: the loss of SpectralKD (arXiv 2412.19055).

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use spectralkd_spectral::{Norm, rfft2};

use crate::maps::matched;
use crate::squared_error::{Weights, squared_error};
use crate::{
    Alignment, Context, Grid, Inputs, Kind, Needs, Objective, Pairs, Result, Term, Width, Wrong,
};

/// The mean squared error between the spectra of the student's maps and of its teacher's,
/// [`spectral_loss`], averaged over the pairs of layers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spectral {
    /// The layers that are compared.
    #[serde(skip_serializing_if = "Pairs::is_shared")]
    pub pairs: Pairs,
    /// How widths are matched.
    pub width: Width,
    /// How grids are matched.
    pub grid: Grid,
}

impl Kind for Spectral {
    const KIND: &'static str = "spectral";

    fn check(&self) -> Result<(), Wrong> {
        self.pairs.check()
    }

    fn pairs(&self) -> Option<&Pairs> {
        Some(&self.pairs)
    }

    fn pairs_mut(&mut self) -> Option<&mut Pairs> {
        Some(&mut self.pairs)
    }

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>> {
        let alignment = Alignment::new(&self.pairs, self.width, self.grid, context)?;
        Ok(Box::new(SpectralObjective(alignment)))
    }
}

#[derive(Debug)]
struct SpectralObjective(Alignment);

impl Objective for SpectralObjective {
    fn needs(&self) -> &Needs {
        self.0.needs()
    }

    fn terms(&self, inputs: &Inputs<'_>) -> Result<Vec<Term>> {
        Ok(Term::only(self.0.mean(inputs, spectral_loss)?))
    }
}

/// The spectral loss of one pair, student features `[B, C_s, H, W]` and teacher features `[B, C_t,
/// H, W]` with `C_s <= C_t`, as a scalar tensor: f64 for an f64 student, else f32 (half types are
/// computed in f32, as the released code does). Any strides.
///
/// The teacher's channels are averaged down to the student's (PyTorch's `adaptive_avg_pool3d`
/// bins); of both the ortho `rfft2` over H and W; real and imaginary parts stacked, mean squared
/// error over all `2 B C H (W/2 + 1)` of them. [`spectral_loss_by_fft`] does just that. Here the same
/// number comes by Parseval's theorem, without a transform: `(E + E_dc + E_nyq) / (4 B C H (W/2 +
/// 1))` with `E` the squared error in space and `E_dc`, `E_nyq` its parts at the frequencies 0 and
/// W/2 along the width (odd W has no W/2), in one pass over the features.
///
/// The teacher is a constant: no gradient reaches it.
///
/// # Errors
/// Shapes that do not fit (the message gives both), empty tensors, or element types that are not
/// floating point.
pub fn spectral_loss(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let (student, teacher) = matched(student, teacher)?;
    let weights = Weights::half_spectrum(student.dims());
    Ok(squared_error(&student, &teacher, weights)?)
}

/// [`spectral_loss`] by its definition: both feature maps are transformed, the spectra compared. The
/// tested reference; the two agree to rounding.
///
/// # Errors
/// As [`spectral_loss`].
pub fn spectral_loss_by_fft(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let (student, teacher) = matched(student, teacher)?;
    let student = rfft2(&student, Norm::Ortho)?.into_tensor();
    let teacher = rfft2(&teacher, Norm::Ortho)?.into_tensor();
    let weights = Weights::mean(student.dims());
    Ok(squared_error(&student, &teacher, weights)?)
}
