//! Which layer of a student learns from which layer of its teacher: named
//! strategies that choose pairs from what was measured of both models.
//!
//! | strategy | needs | pairs |
//! |---|---|---|
//! | [`Strategy::Paper`] | nothing but the layers | the first and the last layers of both, in depth order |
//! | [`Strategy::Intensity`] | intensities | the layers of highest intensity of both, in depth order |
//! | [`Strategy::Cka`] | CKA of all pairs | the matching of highest total CKA; teacher layers may go back and forth |
//! | [`Strategy::Monotone`] | spectrum distances of all pairs | the rising sequence of pairs of least total distance |
//!
//! All give distinct layers on either side, ordered by the student's depth; all
//! but `cka` rise on the teacher's side too. Every rule is deterministic, and of
//! equals takes the shallower.
//!
//! ```
//! use spectralkd_evaluation::pairs::{Scores, Strategy, choose};
//!
//! // DeiT-Tiny and CaiT-S24, as in the paper's recipe.
//! let scores = Scores::of_depths(12, 24);
//! let choice = choose(Strategy::Paper, 8, &scores)?;
//! assert_eq!(
//!     choice.pairs,
//!     [(0, 0), (1, 1), (6, 18), (7, 19), (8, 20), (9, 21), (10, 22), (11, 23)],
//! );
//! # Ok::<(), spectralkd_evaluation::Error>(())
//! ```

mod choice;
mod intensity;
mod matching;
mod monotone;
mod paper;
mod problem;
mod scores;

pub use choice::{Choice, Score};
pub use problem::PairsProblem;
pub use scores::Scores;
pub use spectralkd_losses::Strategy;

use crate::error::{Error, Result};

/// Chooses `count` pairs of layers.
///
/// # Errors
/// [`Error::Pairs`] when no pair is asked for or more than there are layers,
/// when the scores that the strategy needs are missing, not finite or of
/// another shape than the layers, or when too few pairs have a CKA.
pub fn choose(strategy: Strategy, count: usize, scores: &Scores) -> Result<Choice> {
    let fail = |problem| Error::Pairs {
        strategy: strategy.name(),
        count,
        problem,
    };
    let chosen = scores
        .check()
        .and_then(|()| scores.room_for(count))
        .and_then(|()| places(strategy, count, scores));
    let (places, shown) = chosen.map_err(fail)?;
    let layers = |&(s, t): &(usize, usize)| (scores.student_layers[s], scores.teacher_layers[t]);
    Ok(Choice {
        strategy,
        student_layers: scores.student_layers.clone(),
        teacher_layers: scores.teacher_layers.clone(),
        pairs: places.iter().map(layers).collect(),
        score: shown.as_ref().map(|s| s.0),
        matrix: shown.map(|s| s.1),
    })
}

/// Places in the lists of layers, and the matrix to show with them.
type Places = (Vec<(usize, usize)>, Option<(Score, Vec<Vec<Option<f64>>>)>);

fn places(
    strategy: Strategy,
    count: usize,
    scores: &Scores,
) -> std::result::Result<Places, PairsProblem> {
    let depths = (scores.student_layers.len(), scores.teacher_layers.len());
    let some = |rows: &[Vec<f64>]| -> Vec<Vec<Option<f64>>> {
        rows.iter()
            .map(|r| r.iter().copied().map(Some).collect())
            .collect()
    };
    let distance = scores.spectrum_distance.as_deref();
    Ok(match strategy {
        Strategy::Paper => {
            let student = paper::ends(depths.0, count);
            let pairs = student.into_iter().zip(paper::ends(depths.1, count));
            let shown = distance.map(|d| (Score::SpectrumDistance, some(d)));
            (pairs.collect(), shown)
        }
        Strategy::Intensity => {
            let intensities = scores.intensities.as_ref();
            let (student, teacher) = intensities.ok_or(PairsProblem::NotMeasured("intensities"))?;
            let pairs = intensity::highest(student, count)
                .into_iter()
                .zip(intensity::highest(teacher, count));
            let matrix = intensity::matrix(student, teacher);
            (pairs.collect(), Some((Score::Intensity, some(&matrix))))
        }
        Strategy::Cka => {
            let cka = scores.cka.as_ref();
            let cka = cka.ok_or(PairsProblem::NotMeasured("the CKA of all pairs"))?;
            let pairs = matching::heaviest(cka, count).ok_or(PairsProblem::Undefined)?;
            (pairs, Some((Score::Cka, cka.clone())))
        }
        Strategy::Monotone => {
            let missing = PairsProblem::NotMeasured("the spectrum distances of all pairs");
            let distance = distance.ok_or(missing)?;
            let pairs = monotone::shortest(distance, count);
            (pairs, Some((Score::SpectrumDistance, some(distance))))
        }
    })
}
