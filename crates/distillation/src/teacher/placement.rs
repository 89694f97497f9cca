//! Whether a teacher runs on every batch or its outputs are kept.

use std::collections::BTreeSet;

use spectralkd_losses::{Reduction, Request, Shapes};

/// Where a teacher's outputs come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Computed once for every view there can be, and kept.
    Cached {
        /// In memory.
        bytes: u64,
    },
    /// Computed on every batch.
    Online {
        /// Why they are not kept, in words.
        why: String,
    },
}

impl Placement {
    /// Kept where the views of the `images` images can be counted (`versions` of each; `None` where every epoch has
    /// views of its own, or images are mixed), where they are fewer than the views that training takes (`taken`, over
    /// all runs), and where they fit in `most` bytes.
    pub fn choose(versions: Option<u32>, images: usize, taken: u64, row: u64, most: u64) -> Self {
        let online = |why: String| Self::Online { why };
        let Some(versions) = versions else {
            return online("every epoch has views of its own".into());
        };
        let views = images as u64 * u64::from(versions);
        let bytes = views.saturating_mul(row);
        if views > taken {
            return online(format!(
                "training takes {taken} views, and there are {views}"
            ));
        }
        if bytes > most {
            return online(format!(
                "keeping them would take {:.1} GB, and {:.1} GB are allowed",
                bytes as f64 / 1e9,
                most as f64 / 1e9
            ));
        }
        Self::Cached { bytes }
    }

    /// Bytes of what is asked for of one view, f32.
    pub fn row(requests: &BTreeSet<Request>, shapes: &Shapes) -> u64 {
        let numbers = |request: &Request| match *request {
            Request::Logits(_) => shapes.classes,
            Request::Map { tap, reduction } => {
                let [channels, height, width] = shapes.taps.get(tap).copied().unwrap_or_default();
                match reduction {
                    Reduction::Whole => channels * height * width,
                    Reduction::Channels(channels) => channels * height * width,
                }
            }
            Request::Prefix { tap } => {
                shapes.prefix * shapes.taps.get(tap).map_or(0, |[channels, ..]| *channels)
            }
        };
        requests.iter().map(numbers).sum::<usize>() as u64 * size_of::<f32>() as u64
    }

    /// Where they come from, in words.
    pub fn in_words(&self) -> String {
        match self {
            Self::Cached { bytes } => format!("outputs kept in {:.0} MB", *bytes as f64 / 1e6),
            Self::Online { why } => format!("runs on every batch ({why})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_where_it_pays_and_fits() {
        let choose = |versions, taken, most| Placement::choose(versions, 100, taken, 40, most);
        assert_eq!(
            choose(Some(2), 1000, 8000),
            Placement::Cached { bytes: 8000 }
        );
        for (versions, taken, most, why) in [
            (None, 1000, u64::MAX, "views of its own"),
            (Some(2), 199, u64::MAX, "199 views"),
            (Some(2), 1000, 7999, "allowed"),
        ] {
            let Placement::Online { why: found } = choose(versions, taken, most) else {
                panic!("{why}");
            };
            assert!(found.contains(why), "{found}");
        }
    }

    #[test]
    fn a_row_holds_what_is_asked_for() {
        use spectralkd_losses::Head;
        let shapes = Shapes {
            classes: 10,
            heads: vec![Head::Mean],
            taps: vec![[96, 7, 7]; 3],
            prefix: 1,
        };
        let map = |reduction| Request::Map { tap: 1, reduction };
        for (request, numbers) in [
            (Request::Logits(Head::Mean), 10),
            (map(Reduction::Whole), 96 * 49),
            (map(Reduction::Channels(48)), 48 * 49),
            (Request::Prefix { tap: 2 }, 96),
        ] {
            assert_eq!(
                Placement::row(&BTreeSet::from([request]), &shapes),
                4 * numbers
            );
        }
    }
}
