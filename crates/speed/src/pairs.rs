//! Which layers of student and teacher a step compares.

use spectralkd_evaluation::pairs::{Scores, Strategy, choose};

use crate::case::Named;
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
    for &(s, t) in &pairs {
        comparable((s, ours.taps[s]), (t, theirs.taps[t])).map_err(refuse)?;
    }
    Ok(pairs)
}

/// Whether the loss can compare these layers, each an index with channels, height and width.
fn comparable(
    (s, student): (usize, [usize; 3]),
    (t, teacher): (usize, [usize; 3]),
) -> std::result::Result<(), String> {
    let [ours, theirs] = [student, teacher].map(|[_, height, width]| format!("{height}x{width}"));
    if ours != theirs {
        return Err(format!(
            "in [{s}, {t}] the student's map is {ours}, the teacher's {theirs}: both need the same patch grid"
        ));
    }
    if student[0] > teacher[0] {
        return Err(format!(
            "in [{s}, {t}] the student has {} channels, the teacher only {}: pooling works on the teacher's side",
            student[0], teacher[0]
        ));
    }
    Ok(())
}
