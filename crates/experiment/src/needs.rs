//! What the losses of an experiment ask of its teacher.

use std::collections::BTreeSet;
use std::ops::Range;

use candle_core::{DType, Device};
use spectralkd_base::random::Stream;
use spectralkd_losses::{Loss, Objectives, Request, Shapes};
use spectralkd_nn::Params;

use crate::config::Experiment;
use crate::error::Result;

/// All that the losses of an experiment ask of the teacher, over variants and epochs. Pairs must be listed.
///
/// # Errors
/// A loss that cannot be built (a checked experiment has none).
pub fn requests(
    experiment: &Experiment,
    student: &Shapes,
    teacher: &Shapes,
) -> Result<BTreeSet<Request>> {
    let mut all = BTreeSet::new();
    for variant in &experiment.variants {
        let losses = experiment.losses(variant);
        all.extend(needs(
            &losses,
            student,
            teacher,
            0..experiment.train.epochs,
        )?);
    }
    Ok(all)
}

/// What these losses ask of the teacher in these epochs.
pub(crate) fn needs(
    losses: &[Loss],
    student: &Shapes,
    teacher: &Shapes,
    epochs: Range<u64>,
) -> Result<BTreeSet<Request>> {
    let params = Params::new();
    let vb = params.builder(&Stream::new(0, "requests"), DType::F32, &Device::Cpu);
    let objectives = Objectives::build(losses, student, Some(teacher), &vb, &|_| Ok(1.0))?;
    Ok(epochs
        .flat_map(|epoch| objectives.needs_at(epoch).teacher)
        .collect())
}

/// Whether the teacher's maps can be pooled to the student's, for all these pairs.
pub(crate) fn comparable(pairs: &[(usize, usize)], student: &Shapes, teacher: &Shapes) -> bool {
    pairs
        .iter()
        .all(|&(s, t)| match (student.taps.get(s), teacher.taps.get(t)) {
            (Some([c, rest @ ..]), Some([d, others @ ..])) => c <= d && rest == others,
            _ => false,
        })
}
