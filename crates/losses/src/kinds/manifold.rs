//! `kind = "manifold"`: relations between tokens (Hao 2022, arXiv 2107.01378).

use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};

use crate::maps::{check_grids, check_map, working_precision};
use crate::squared_error::{Weights, squared_error};
use crate::{Alignment, Context, Grid, Inputs, Kind, Needs, Objective, Pairs, Result, Term, Wrong};

/// The three [`relation_errors`] of the student's tokens and its teacher's, each averaged over the
/// pairs of layers: fine-grained manifold distillation, as the code released with the paper computes
/// it, whose recipe for CaiT-S24 and DeiT-Tiny the defaults are. Only the numbers of tokens must be
/// the same, not the widths.
///
/// The second and third term relate tokens of different images: the loss is no mean over images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manifold {
    /// Factor on the relations within an image (`w_patch`).
    pub patch: f64,
    /// Factor on the relations between images at one position (`w_sample`).
    pub sample: f64,
    /// Factor on the relations between randomly drawn tokens (`w_rand`).
    pub random: f64,
    /// How many tokens of a batch are drawn, at least 1 (`K`); all of them where there are not so
    /// many.
    pub tokens: usize,
    /// The layers that are compared.
    #[serde(skip_serializing_if = "Pairs::is_shared")]
    pub pairs: Pairs,
    /// How grids are matched.
    pub grid: Grid,
}

impl Default for Manifold {
    fn default() -> Self {
        Self {
            patch: 4.0,
            sample: 0.1,
            random: 0.2,
            tokens: 192,
            pairs: Pairs::default(),
            grid: Grid::default(),
        }
    }
}

impl Kind for Manifold {
    const KIND: &'static str = "manifold";

    fn check(&self) -> Result<(), Wrong> {
        Wrong::unless_weight("patch", self.patch)?;
        Wrong::unless_weight("sample", self.sample)?;
        Wrong::unless_weight("random", self.random)?;
        if self.tokens == 0 {
            return Err(Wrong::new("tokens", "must be at least 1, got 0"));
        }
        self.pairs.check()
    }

    fn pairs(&self) -> Option<&Pairs> {
        Some(&self.pairs)
    }

    fn pairs_mut(&mut self) -> Option<&mut Pairs> {
        Some(&mut self.pairs)
    }

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>> {
        let alignment = Alignment::of_any_width(&self.pairs, self.grid, context)?;
        let spec = self.clone();
        Ok(Box::new(ManifoldObjective { spec, alignment }))
    }
}

#[derive(Debug)]
struct ManifoldObjective {
    spec: Manifold,
    alignment: Alignment,
}

impl Objective for ManifoldObjective {
    fn needs(&self) -> &Needs {
        self.alignment.needs()
    }

    fn terms(&self, inputs: &Inputs<'_>) -> Result<Vec<Term>> {
        let errors = |index: usize, student: &Tensor, teacher: &Tensor| {
            let (batch, _, h, w) = student.dims4()?;
            let mut drawn = inputs.draws.at(index as u64).permutation(batch * h * w);
            drawn.truncate(self.spec.tokens);
            relation_errors(student, teacher, &drawn)
        };
        let [patch, sample, random] = self.alignment.means(inputs, errors)?;
        Ok(vec![
            Term::named("patch", patch, self.spec.patch),
            Term::named("sample", sample, self.spec.sample),
            Term::named("random", random, self.spec.random),
        ])
    }

    fn is_mean_over_images(&self) -> bool {
        false
    }
}

/// Mean squared errors between the cosines of the student's tokens and those of its teacher's, for
/// three sets of pairs of tokens: all within each image (`[B, N, N]`), all of one position over the
/// images (`[N, B, B]`), and all of the `K` tokens `drawn` (`[K, K]`), each a scalar tensor (f64 for
/// an f64 student, else f32).
///
/// Student features `[B, C_s, H, W]` and teacher features `[B, C_t, H, W]`, whose tokens are the
/// channels at each of the `N = H W` positions; token `b N + n` is position `n` of image `b`. The
/// teacher is a constant. A token of zeros has the cosine 0 with every other, as with torch's
/// `normalize`.
///
/// # Errors
/// Shapes that differ in batch, height or width, empty tensors or no tokens drawn, numbers of tokens
/// that there are not, or element types that are not floating point.
pub fn relation_errors(student: &Tensor, teacher: &Tensor, drawn: &[u32]) -> Result<[Tensor; 3]> {
    check_map("student features", student)?;
    check_map("teacher features", teacher)?;
    check_grids(student, teacher)?;
    let student = unit_tokens(&student.to_dtype(working_precision(student))?)?;
    let teacher = unit_tokens(&teacher.detach().to_dtype(student.dtype())?)?;
    let drawn = Tensor::new(drawn, student.device())?;
    let at_position = |tokens: &Tensor| tokens.transpose(0, 1)?.contiguous();
    let random = |tokens: &Tensor| {
        let one_list = tokens.flatten_to(1)?.index_select(&drawn, 0)?;
        one_list.unsqueeze(0)
    };
    Ok([
        cosine_error(&student, &teacher)?,
        cosine_error(&at_position(&student)?, &at_position(&teacher)?)?,
        cosine_error(&random(&student)?, &random(&teacher)?)?,
    ])
}

/// The tokens of a map `[B, C, H, W]` as `[B, N, C]`, each of length 1: divided by its length, or by
/// 1e-12 if that is more, as torch's `normalize` does.
fn unit_tokens(map: &Tensor) -> Result<Tensor> {
    const EPS: f64 = 1e-12;
    let (batch, channels, h, w) = map.dims4()?;
    // Tokens seen as a map become what they were: no copy.
    let tokens = map
        .permute((0, 2, 3, 1))?
        .reshape((batch, h * w, channels))?;
    // Of squares, so that the gradient of the root is finite everywhere.
    let squared = tokens.sqr()?.sum_keepdim(D::Minus1)?.maximum(EPS * EPS)?;
    Ok(tokens.broadcast_div(&squared.sqrt()?)?)
}

/// The mean squared difference of the cosines within groups of unit tokens, `[G, M, C_s]` and `[G, M,
/// C_t]`.
fn cosine_error(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let cosines = |tokens: &Tensor| tokens.matmul(&tokens.transpose(1, 2)?);
    let (student, teacher) = (cosines(student)?, cosines(teacher)?);
    let weights = Weights::mean(student.dims());
    Ok(squared_error(&student, &teacher, weights)?)
}
