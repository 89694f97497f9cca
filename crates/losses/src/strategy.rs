//! Rules by which the layers of a student and its teacher are paired.

use serde::{Deserialize, Serialize};

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
