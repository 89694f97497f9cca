//! The scalar of a step.

use candle_core::Tensor;
use spectralkd_base::random::Stream;
use spectralkd_losses::{Inputs, Objectives, Outputs};
use spectralkd_nn::Pass;
use spectralkd_trainer::{Parts, Step};

use crate::error::Result;
use crate::outputs::outputs;
use crate::student::Student;

/// What the images of a step are, whatever they show.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// Their classes (`[B]`), u32, where they have any.
    pub labels: Option<&'a Tensor>,
    /// Shares of the classes [B, K], f32, where images were mixed; they then stand for the labels.
    pub soft: Option<&'a Tensor>,
    /// A number for each view, which keys what layers draw for it.
    pub keys: &'a [u64],
}

/// The terms of a training step: the student's forward pass on `images` [B, C, H, W] (rendered for it), and its losses
/// against the teacher's outputs on the same views. The total carries the graph.
///
/// What is drawn depends on `seed`, the step and the views' keys alone.
///
/// # Errors
/// Images that are not the student's, an output that a loss reads and that is not there, shapes that do not fit.
pub fn objective_terms(
    student: &Student,
    images: &Tensor,
    teacher: &Outputs,
    targets: Targets<'_>,
    objectives: &Objectives,
    (seed, step): (u64, Step),
) -> Result<Parts> {
    let drop_path = Stream::new(seed, "drop path").at(step.global);
    let pass = Pass::train(&drop_path, targets.keys);
    let needs = objectives.needs_at(step.epoch);
    let own = outputs(student.model.as_ref(), images, &needs.student, &pass)?;
    let inputs = Inputs {
        student: &own,
        teacher,
        labels: targets.labels,
        targets: targets.soft,
        draws: &Stream::new(seed, "losses").at(step.global),
    };
    let sum = objectives.forward(&inputs, step.epoch)?;
    Ok(Parts {
        total: sum.total,
        parts: sum.terms,
        samples: targets.keys.len() as u64,
    })
}
