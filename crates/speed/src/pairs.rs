//! Which layers of student and teacher a step compares.

use candle_core::{DType, Device};
use spectralkd_base::random::Stream;
use spectralkd_distillation::shapes;
use spectralkd_evaluation::pairs::{Scores, Strategy, choose};
use spectralkd_losses::kinds::Spectral;
use spectralkd_losses::{Loss, Objectives, Pairs};
use spectralkd_nn::Params;

use crate::case::Named;
use crate::drawn::SEED;
use crate::error::{Error, Result};

/// The most pairs of layers of a step, as in the paper's recipe for DeiT.
const PAIRS: usize = 8;

/// The pairs (student layer, teacher layer) of a step: by the paper's rule the first and last layers of both, eight
/// or as many as the shallower one has.
///
/// # Errors
/// [`Error::NoPair`] where the two take different images or classes, or the maps of a pair cannot be compared.
pub(crate) fn pairs(student: &Named, teacher: &Named) -> Result<Vec<(usize, usize)>> {
    let (ours, theirs) = (student.config.info()?, teacher.config.info()?);
    let refuse = |problem: String| Error::NoPair {
        student: student.name.clone(),
        teacher: teacher.name.clone(),
        problem,
    };
    if ours.image != theirs.image {
        let sides = |[_, height, width]: [usize; 3]| format!("{height}x{width}");
        return Err(refuse(format!(
            "it takes images of {}, its teacher of {}",
            sides(ours.image),
            sides(theirs.image)
        )));
    }
    if ours.classes != theirs.classes {
        let (ours, theirs) = (ours.classes, theirs.classes);
        return Err(refuse(format!(
            "it has {ours} classes, its teacher {theirs}"
        )));
    }
    let (depth, teachers) = (ours.taps.len(), theirs.taps.len());
    let count = PAIRS.min(depth).min(teachers);
    let pairs = choose(Strategy::Paper, count, &Scores::of_depths(depth, teachers))?.pairs;
    let loss = Spectral {
        pairs: Pairs::Listed(pairs.clone()),
        ..Spectral::default()
    };
    let params = Params::new();
    let vb = params.builder(&Stream::new(SEED, "check"), DType::F32, &Device::Cpu);
    let (ours, theirs) = (shapes(&ours), shapes(&theirs));
    let losses = [Loss::new(loss, 1.0)];
    Objectives::build(&losses, &ours, Some(&theirs), &vb, &|_| Ok(1.0))
        .map_err(|problem| refuse(problem.to_string()))?;
    Ok(pairs)
}
