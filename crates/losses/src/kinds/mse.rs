//! `kind = "mse"`: the plain mean squared error of features, the spectral loss's control.

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::spectral::spectral_loss;
use crate::alignment::Pair;
use crate::maps::matched;
use crate::squared_error::{Weights, squared_error};
use crate::{
    Alignment, Context, Error, Grid, Inputs, Kind, Needs, Objective, Outputs, Pairs, Result, Term,
    Width, Wrong,
};

/// [`mean_squared_error`] between the student's maps and its teacher's, averaged over the pairs of
/// layers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mse {
    /// Whether its weight is multiplied with the measured ratio of the spectral loss to it
    /// ([`spectral_to_mse_of_teacher`]), so that it pulls as hard as the spectral loss would.
    pub matched: bool,
    /// The layers that are compared.
    #[serde(skip_serializing_if = "Pairs::is_shared")]
    pub pairs: Pairs,
    /// How widths are matched.
    pub width: Width,
    /// How grids are matched.
    pub grid: Grid,
}

impl Kind for Mse {
    const KIND: &'static str = "mse";

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
        let weight = match self.matched {
            true => (context.spectral_to_mse)(&alignment.pairs())?,
            false => 1.0,
        };
        Ok(Box::new(MseObjective { alignment, weight }))
    }
}

/// The mean squared error of aligned maps, with a factor on it.
#[derive(Debug)]
pub(super) struct MseObjective {
    pub alignment: Alignment,
    pub weight: f64,
}

impl Objective for MseObjective {
    fn needs(&self) -> &Needs {
        self.alignment.needs()
    }

    fn terms(&self, inputs: &Inputs<'_>) -> Result<Vec<Term>> {
        let value = self.alignment.mean(inputs, mean_squared_error)?;
        Ok(vec![Term::named("", value, self.weight)])
    }
}

/// The mean squared error over all `B C H W` features of one pair, student features `[B, C_s, H, W]`
/// and teacher features `[B, C_t, H, W]` with `C_s <= C_t`, as a scalar tensor (f64 for an f64
/// student, else f32): the teacher's channels are averaged down to the student's, as in
/// [`spectral_loss`]. The teacher is a constant. Any strides.
///
/// # Errors
/// As [`spectral_loss`].
pub fn mean_squared_error(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let (student, teacher) = matched(student, teacher)?;
    let weights = Weights::mean(student.dims());
    Ok(squared_error(&student, &teacher, weights)?)
}

/// The ratio of the spectral loss to the plain mean squared error, each the mean over these (student,
/// teacher) pairs: what to weight the control with, so that it weighs as much as the spectral loss.
///
/// About one half: 0.5 for white error, up to `W / (W + 2)` (even W; odd W: `W / (W + 1)`) where
/// the error is constant along W (0.875 at W = 7 and W = 14), and down to half of that where it has
/// neither constant nor alternating part.
///
/// # Errors
/// No pairs, what [`spectral_loss`] says about one of them, and where student and teacher are equal
/// or not finite.
pub fn spectral_to_mse_ratio(pairs: &[(Tensor, Tensor)]) -> Result<f64> {
    let measure = |loss: fn(&Tensor, &Tensor) -> Result<Tensor>| -> Result<f64> {
        let losses = pairs.iter().map(|(student, teacher)| {
            let loss = loss(student, teacher)?.to_dtype(DType::F64)?;
            Ok(loss.to_scalar::<f64>()?)
        });
        Ok(losses.sum::<Result<f64>>()? / pairs.len() as f64)
    };
    if pairs.is_empty() {
        return Err(Error::NoPairs);
    }
    let (spectral, mse) = (measure(spectral_loss)?, measure(mean_squared_error)?);
    let ratio = spectral / mse;
    if ratio.is_finite() {
        Ok(ratio)
    } else {
        Err(Error::NoRatio { spectral, mse })
    }
}

/// [`spectral_to_mse_ratio`] between the teacher's maps, as the student's are compared with them, and
/// zero: the factor at which plain MSE pulls on features as hard as the spectral loss does while the
/// student's are still small. What [`Context::spectral_to_mse`] wants.
///
/// # Errors
/// A map that is not among the outputs, and as [`spectral_to_mse_ratio`].
pub fn spectral_to_mse_of_teacher(pairs: &[Pair], teacher: &Outputs) -> Result<f64> {
    let against_zero = |pair: &Pair| {
        let map = pair.target(teacher)?;
        Ok((map.zeros_like()?, map))
    };
    spectral_to_mse_ratio(&pairs.iter().map(against_zero).collect::<Result<Vec<_>>>()?)
}
