//! `kind = "rkd"`: distances and angles between images (Park 2019, arXiv 1904.05068).

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::maps::{check_map, working_precision};
use crate::{
    Alignment, Context, Error, Grid, Inputs, Kind, Needs, Objective, Pairs, Result, Term, Wrong,
};

/// The two [`structure_losses`] between the features of a batch, each averaged over the pairs of
/// layers: relational knowledge distillation, as the code released with the paper computes it, on the
/// mean of a map over its positions. Neither widths nor grids need be the same.
///
/// Both terms relate images to each other: the loss is no mean over images. Time and memory grow with
/// the cube of the batch: of 128 images, every tensor of angles has two million numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rkd {
    /// Factor on the distances between two images.
    pub distance: f64,
    /// Factor on the angles between three images.
    pub angle: f64,
    /// The layers that are compared.
    #[serde(skip_serializing_if = "Pairs::is_shared")]
    pub pairs: Pairs,
}

impl Default for Rkd {
    fn default() -> Self {
        Self {
            distance: 25.0,
            angle: 50.0,
            pairs: Pairs::default(),
        }
    }
}

impl Kind for Rkd {
    const KIND: &'static str = "rkd";

    fn check(&self) -> Result<(), Wrong> {
        Wrong::unless_weight("distance", self.distance)?;
        Wrong::unless_weight("angle", self.angle)?;
        self.pairs.check()
    }

    fn pairs(&self) -> Option<&Pairs> {
        Some(&self.pairs)
    }

    fn pairs_mut(&mut self) -> Option<&mut Pairs> {
        Some(&mut self.pairs)
    }

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Objective>> {
        // Resizing keeps the mean over a map, so that any two grids will do.
        let grid = Grid::SpectralResize;
        let alignment = Alignment::of_any_width(&self.pairs, grid, context)?;
        let spec = self.clone();
        Ok(Box::new(RkdObjective { spec, alignment }))
    }
}

#[derive(Debug)]
struct RkdObjective {
    spec: Rkd,
    alignment: Alignment,
}

impl Objective for RkdObjective {
    fn needs(&self) -> &Needs {
        self.alignment.needs()
    }

    fn terms(&self, inputs: &Inputs<'_>) -> Result<Vec<Term>> {
        let losses = |_, student: &Tensor, teacher: &Tensor| structure_losses(student, teacher);
        let [distance, angle] = self.alignment.means(inputs, losses)?;
        Ok(vec![
            Term::named("distance", distance, self.spec.distance),
            Term::named("angle", angle, self.spec.angle),
        ])
    }

    fn is_mean_over_images(&self) -> bool {
        false
    }
}

/// The smooth L1 errors (Huber's, with the threshold 1) of the distances between the student's images
/// against those between its teacher's, mean over `[B, B]`, and of the cosines of the angles, mean over
/// `[B, B, B]`: sections 3.2.1 and 3.2.2 of the paper, each a scalar tensor (f64 for an f64 student, else f32).
///
/// Student features `[B, C_s, H, W]` and teacher features `[B, C_t, H', W']`; an image is the mean over
/// the positions. Distances are at least 1e-6 between two images, 0 from an image to itself, and
/// divided by the mean of those that are not 0. The cosine at image `i` between `j` and `k` is that of
/// `x_j - x_i` and `x_k - x_i`, 0 where one of them is 0, as with torch's `normalize`. All pairs and
/// triples count in the means, also those with an image twice. A batch of one image has no relations:
/// both are 0. The teacher is a constant.
///
/// # Errors
/// Shapes that are no maps or differ in batch, empty tensors, or element types that are not floating
/// point.
pub fn structure_losses(student: &Tensor, teacher: &Tensor) -> Result<[Tensor; 2]> {
    check_map("student features", student)?;
    check_map("teacher features", teacher)?;
    if student.dims()[0] != teacher.dims()[0] {
        return Err(Error::Mismatch {
            left: "student features",
            left_shape: student.dims().to_vec(),
            right: "teacher features",
            right_shape: teacher.dims().to_vec(),
            axes: "batch ([B, C, H, W]; all else may differ)",
        });
    }
    let precision = working_precision(student);
    let student = Structure::of(&student.to_dtype(precision)?)?;
    let teacher = Structure::of(&teacher.detach().to_dtype(precision)?)?;
    Ok([
        smooth_l1(&student.distances, &teacher.distances)?,
        smooth_l1(&student.cosines, &teacher.cosines)?,
    ])
}

/// How the images of a batch lie to each other.
struct Structure {
    /// `[B, B]`, over their mean.
    distances: Tensor,
    /// `[B, B, B]`, at the image of the first axis.
    cosines: Tensor,
}

impl Structure {
    /// Of a map `[B, C, H, W]`.
    fn of(map: &Tensor) -> Result<Self> {
        let images = map.mean((2, 3))?;
        let batch = images.dims()[0];
        // Not by |a|² + |b|² - 2ab, which cancels where images are near to each other.
        let differences = images
            .unsqueeze(0)?
            .broadcast_sub(&images.unsqueeze(1)?)?
            .contiguous()?;
        let squared = differences.sqr()?.sum(2)?;
        Ok(Self {
            distances: over_their_mean(&length(&squared, 1e-6)?, batch)?,
            cosines: cosines(&differences, &length(&squared, 1e-12)?)?,
        })
    }
}

/// The root of squares, at least `floor`: finite and without slope below it.
fn length(squared: &Tensor, floor: f64) -> Result<Tensor> {
    Ok(squared.maximum(floor * floor)?.sqrt()?)
}

/// Distances `[B, B]` between different images over their mean; 0 on the diagonal.
fn over_their_mean(distances: &Tensor, batch: usize) -> Result<Tensor> {
    let one_image = Tensor::eye(batch, DType::U8, distances.device())?;
    let distances = one_image.where_cond(&distances.zeros_like()?, distances)?;
    let count = (batch * (batch - 1)).max(1);
    // At least the floor of a distance, but for a batch of one.
    let mean = (distances.sum_all()? / count as f64)?.maximum(1e-12)?;
    Ok(distances.broadcast_div(&mean)?)
}

/// The cosines of differences `[B, B, C]` that start at one image.
fn cosines(differences: &Tensor, lengths: &Tensor) -> Result<Tensor> {
    let unit = differences.broadcast_div(&lengths.unsqueeze(2)?)?;
    Ok(unit.matmul(&unit.transpose(1, 2)?)?)
}

/// The mean of `d² / 2` where `|d| < 1`, else of `|d| - 1/2`: torch's `smooth_l1_loss`.
fn smooth_l1(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let error = (student - teacher)?.abs()?;
    let capped = error.minimum(1.0)?;
    let twice = (&capped * ((error * 2.0)? - &capped)?)?;
    Ok((twice.mean_all()? * 0.5)?)
}
