//! Why layer pairs cannot be chosen.

/// Why layer pairs cannot be chosen.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PairsProblem {
    /// No pair was asked for.
    #[error("ask for at least one pair")]
    Nothing,
    /// More pairs than a model has layers.
    #[error(
        "every pair takes a layer of its own, and the {model} has {layers}; ask for at most as many"
    )]
    TooMany {
        /// Which model: student or teacher.
        model: &'static str,
        /// The layers it has.
        layers: usize,
    },
    /// Layers that do not rise strictly.
    #[error("the {model}'s layers {layers:?} must be in depth order and distinct")]
    Order {
        /// Which model: student or teacher.
        model: &'static str,
        /// Its layers as given.
        layers: Vec<usize>,
    },
    /// What the strategy chooses by was not measured.
    #[error("it needs {0}, which were not measured; compare the two models first")]
    NotMeasured(&'static str),
    /// Scores of another number of layers.
    #[error("{what} are given for {got:?} layers of student and teacher, of {want:?}")]
    Shape {
        /// Which scores.
        what: &'static str,
        /// Layers there are scores of.
        got: (usize, usize),
        /// Layers there are.
        want: (usize, usize),
    },
    /// A score that is NaN or infinite.
    #[error("{what} hold a value that is not finite at place {at:?}")]
    NotFinite {
        /// Which scores.
        what: &'static str,
        /// Place in the lists of student's and teacher's layers.
        at: (usize, usize),
    },
    /// Too few pairs have a CKA.
    #[error(
        "too few pairs of layers have a CKA, which is not defined for a layer that is the same on \
         all images; ask for fewer pairs or leave such layers out"
    )]
    Undefined,
}
