//! `kind = "fitnets"`: hints (Romero 2015, arXiv 1412.6550).

use serde::{Deserialize, Serialize};

use super::mse::MseObjective;
use crate::{Alignment, Context, Grid, Kind, Objective, Pairs, Result, Width, Wrong};

/// The mean squared error between the teacher's maps (hints) and the student's after a trained linear
/// map to the teacher's width ([`Width::Project`]), averaged over the pairs of layers.
///
/// Equation 3 of the paper, with its regressor of kernel size 1, as is usual for transformers, and
/// the mean over all features in place of half of their sum. The paper trains with hints alone
/// first, on one pair in the middle of the networks: that is a weight of `{ value = 1.0, off = N }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FitNets {
    /// The layers that are compared.
    #[serde(skip_serializing_if = "Pairs::is_shared")]
    pub pairs: Pairs,
    /// How grids are matched.
    pub grid: Grid,
}

impl Kind for FitNets {
    const KIND: &'static str = "fitnets";

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
        let alignment = Alignment::new(&self.pairs, Width::Project, self.grid, context)?;
        let weight = 1.0;
        Ok(Box::new(MseObjective { alignment, weight }))
    }
}
