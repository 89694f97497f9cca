//! At which shape two layers are compared.

use serde::{Deserialize, Serialize};

/// Which side of a pair was averaged over channels to the other's width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooled {
    /// Both are equally wide.
    Neither,
    /// A is wider: not covered by the paper, which pools teachers only.
    A,
    /// B is wider, and is pooled as the paper pools its teacher.
    B,
}

impl Pooled {
    /// As it stands in tables: `neither`, `a` or `b`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Neither => "neither",
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// Where two layers meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Meeting {
    /// `[C, H, W]` of both after pooling and alignment.
    pub(super) shape: [usize; 3],
    pub(super) pooled: Pooled,
    /// Whether a map was resized.
    pub(super) aligned: bool,
}

impl Meeting {
    /// Of layers `[C, H, W]`: the smaller number along every axis.
    pub(super) fn of(a: [usize; 3], b: [usize; 3]) -> Self {
        Self {
            shape: [a[0].min(b[0]), a[1].min(b[1]), a[2].min(b[2])],
            pooled: match a[0].cmp(&b[0]) {
                std::cmp::Ordering::Less => Pooled::B,
                std::cmp::Ordering::Equal => Pooled::Neither,
                std::cmp::Ordering::Greater => Pooled::A,
            },
            aligned: a[1..] != b[1..],
        }
    }
}

/// The shapes in which a layer is needed to meet all layers of the other side:
/// distinct, in ascending order.
pub(super) fn forms(own: [usize; 3], others: &[(usize, [usize; 3])]) -> Vec<[usize; 3]> {
    let mut forms: Vec<_> = others
        .iter()
        .map(|&(_, other)| Meeting::of(own, other).shape)
        .collect();
    forms.sort_unstable();
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_meet_at_the_smaller_of_each_axis() {
        let met = Meeting::of([192, 14, 14], [384, 7, 14]);
        assert_eq!(
            met,
            Meeting {
                shape: [192, 7, 14],
                pooled: Pooled::B,
                aligned: true
            }
        );
        let met = Meeting::of([8, 4, 4], [6, 4, 4]);
        assert_eq!((met.pooled, met.aligned), (Pooled::A, false));
        assert_eq!(Meeting::of([6, 4, 4], [6, 4, 4]).pooled, Pooled::Neither);
        let others = [(0, [4, 2, 2]), (1, [9, 2, 2]), (2, [9, 3, 3])];
        assert_eq!(forms([6, 2, 2], &others), [[4, 2, 2], [6, 2, 2]]);
    }
}
