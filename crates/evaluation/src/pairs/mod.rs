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

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A rule by which layer pairs are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The paper's guideline, "the first and last few layers", in the
    /// proportion of its recipes: of `count` pairs the first ⌈count / 4⌉ layers
    /// of either model and its last `count − ⌈count / 4⌉`, matched in depth
    /// order; a single pair is the last of both.
    ///
    /// With 8 pairs this gives student layers 0 1 6 … 11 of 12 and teacher
    /// layers 0 1 18 … 23 of 24 (DeiT and CaiT-S24), with 4 pairs all stages of
    /// Swin: exactly the lists of the released recipes. The paper states no
    /// rule for other counts; the proportion of one to three is ours.
    Paper,
    /// The paper's other guideline, layers of highest intensity: the `count`
    /// layers of highest intensity of the student, likewise of the teacher,
    /// matched in depth order. How they are matched is ours.
    Intensity,
    /// The matching of `count` pairs with the highest total of linear CKA among
    /// all matchings (successive shortest augmenting paths, the Hungarian
    /// method's answer for every size), ordered by the student's depth. Pairs
    /// may cross. Pairs whose CKA is not defined are never taken.
    Cka,
    /// `count` pairs that rise strictly on both sides, of the least total
    /// spectrum distance among all such sequences, by dynamic programming.
    Monotone,
}

impl Strategy {
    /// All strategies.
    pub const ALL: [Self; 4] = [Self::Paper, Self::Intensity, Self::Cka, Self::Monotone];

    /// Its name in configurations: `paper`, `intensity`, `cka`, `monotone`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Intensity => "intensity",
            Self::Cka => "cka",
            Self::Monotone => "monotone",
        }
    }

    /// What it chooses, in a few words that stand after "pairs:".
    pub fn words(self) -> &'static str {
        match self {
            Self::Paper => "the first and the last layers of both models",
            Self::Intensity => "the layers of highest intensity of both models",
            Self::Cka => "the matching of highest total CKA",
            Self::Monotone => "the rising sequence of least total spectrum distance",
        }
    }
}

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
            let (student, teacher) = intensities.ok_or(PairsProblem::Missing("intensities"))?;
            let pairs = intensity::highest(student, count)
                .into_iter()
                .zip(intensity::highest(teacher, count));
            let matrix = intensity::matrix(student, teacher);
            (pairs.collect(), Some((Score::Intensity, some(&matrix))))
        }
        Strategy::Cka => {
            let cka = scores.cka.as_ref();
            let cka = cka.ok_or(PairsProblem::Missing("the CKA of all pairs"))?;
            let pairs = matching::heaviest(cka, count).ok_or(PairsProblem::Undefined)?;
            (pairs, Some((Score::Cka, cka.clone())))
        }
        Strategy::Monotone => {
            let missing = PairsProblem::Missing("the spectrum distances of all pairs");
            let distance = distance.ok_or(missing)?;
            let pairs = monotone::shortest(distance, count);
            (pairs, Some((Score::SpectrumDistance, some(distance))))
        }
    })
}
