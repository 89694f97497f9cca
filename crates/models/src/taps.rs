//! Which feature maps a forward pass is to give.

use crate::{Error, Result};

/// The taps whose feature maps are wanted, by the rules of timm's `forward_intermediates`: maps come in ascending
/// order and once each, however they are asked for.
///
/// A tap is a block of a DeiT, a patch block of a CaiT, a stage of a Swin; [`crate::ModelInfo::taps`] has their
/// shapes.
///
/// ```
/// use spectralkd_models::Taps;
///
/// let blocks: Taps = [2, 0, 2].into_iter().collect();
/// assert_eq!(blocks, Taps::List(vec![2, 0, 2]));
/// assert_eq!(blocks.indices(4)?, [0, 2]);
/// assert_eq!(Taps::List(vec![-1, 0]).indices(4)?, [0, 3]);
/// assert_eq!(Taps::Last(2).indices(4)?, [2, 3]);
/// assert!(Taps::Last(5).indices(4).is_err());
/// # Ok::<(), spectralkd_models::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Taps {
    /// None.
    #[default]
    None,
    /// Every one.
    All,
    /// These, counted from 0 or, below 0, from the end: -1 is the last. Without an entry, none (where timm fails).
    List(Vec<isize>),
    /// The last n, at least one and at most as many as there are.
    Last(usize),
}

/// A list of taps counted from 0.
impl FromIterator<usize> for Taps {
    fn from_iter<I: IntoIterator<Item = usize>>(indices: I) -> Self {
        // What does not fit is beyond the end of any model, and stays there.
        let index = |i| isize::try_from(i).unwrap_or(isize::MAX);
        Self::List(indices.into_iter().map(index).collect())
    }
}

impl Taps {
    /// The indices asked for in a model of `taps` taps, ascending and once each.
    ///
    /// # Errors
    /// [`Error::Tap`] for an index outside of -`taps` to `taps` - 1, [`Error::LastTaps`] for the last 0 or more
    /// than `taps`.
    pub fn indices(&self, taps: usize) -> Result<Vec<usize>> {
        let wanted = self.wanted(taps)?;
        let chosen = wanted.iter().enumerate().filter(|(_, wanted)| **wanted);
        Ok(chosen.map(|(i, _)| i).collect())
    }

    /// For each of `taps` taps whether it is asked for.
    pub(crate) fn wanted(&self, taps: usize) -> Result<Vec<bool>> {
        let mut wanted = vec![false; taps];
        match self {
            Self::None => {}
            Self::All => wanted.fill(true),
            Self::List(list) => {
                for &asked in list {
                    let index = if asked < 0 {
                        taps.checked_sub(asked.unsigned_abs())
                    } else {
                        Some(asked.unsigned_abs())
                    };
                    let place = index.and_then(|index| wanted.get_mut(index));
                    *place.ok_or(Error::Tap { asked, taps })? = true;
                }
            }
            Self::Last(n) => match taps.checked_sub(*n) {
                Some(first) if *n > 0 => wanted[first..].fill(true),
                _ => return Err(Error::LastTaps { asked: *n, taps }),
            },
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_are_collapsed_sorted_and_checked() {
        let indices = |taps: Taps| taps.indices(4).map_err(|error| error.to_string());
        for (taps, expected) in [
            (Taps::None, vec![]),
            (Taps::All, vec![0, 1, 2, 3]),
            (Taps::List(vec![]), vec![]),
            (Taps::List(vec![3, 1, 3]), vec![1, 3]),
            (Taps::List(vec![-1, -4, 3]), vec![0, 3]),
            (Taps::Last(1), vec![3]),
            (Taps::Last(4), vec![0, 1, 2, 3]),
        ] {
            assert_eq!(indices(taps.clone()).unwrap(), expected, "{taps:?}");
        }
        for asked in [4, -5, isize::MIN, isize::MAX] {
            let expected = format!(
                "tap {asked} does not exist: the model has 4, so taps are 0 to 3, or -4 to -1 from the end"
            );
            assert_eq!(indices(Taps::List(vec![0, asked])).unwrap_err(), expected);
        }
        for asked in [0, 5, usize::MAX] {
            let expected = format!(
                "the last {asked} taps were asked for: the model has 4, so it can be 1 to 4"
            );
            assert_eq!(indices(Taps::Last(asked)).unwrap_err(), expected);
        }
        assert!(Taps::from_iter([usize::MAX]).indices(4).is_err());
    }
}
