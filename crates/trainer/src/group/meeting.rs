//! Where the threads of a group wait for one another.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// What a rank brings to a meeting, and what all take away.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Offer {
    /// Summed.
    Single(Vec<f32>),
    /// Summed.
    Double(Vec<f64>),
    /// Any.
    Flag(bool),
}

/// The place; all ranks of a group share one.
pub(super) struct Meeting {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    offers: Vec<Option<Offer>>,
    /// Meetings that were held.
    held: u64,
    /// What came of the last one.
    outcome: Option<Arc<Offer>>,
    /// The first rank that stopped, and what it said: there are no meetings any more.
    stopped: Option<(usize, String)>,
}

impl Meeting {
    pub(super) fn new(world: usize) -> Self {
        Self {
            state: Mutex::new(State {
                offers: vec![None; world],
                held: 0,
                outcome: None,
                stopped: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Brings an offer and waits for the others'. A rank that stops ends the wait.
    pub(super) fn hold(&self, rank: usize, offer: Offer) -> Result<Arc<Offer>> {
        let mut state = self.lock();
        if let Some(error) = state.error() {
            return Err(error);
        }
        state.offers[rank] = Some(offer);
        if state.offers.iter().all(Option::is_some) {
            let world = state.offers.len();
            let offers = state.offers.iter_mut().filter_map(Option::take);
            let met = add(offers).map(Arc::new);
            match &met {
                Ok(outcome) => {
                    state.outcome = Some(Arc::clone(outcome));
                    state.held += 1;
                }
                Err(reason) => state.stopped = Some((rank, reason.clone())),
            }
            self.changed.notify_all();
            return met.map_err(|reason| Error::Ranks { world, reason });
        }
        let held = state.held;
        // Once the meeting was held its outcome counts, even where a rank has stopped since.
        while state.held == held {
            if let Some(error) = state.error() {
                return Err(error);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let outcome = state.outcome.clone();
        outcome.ok_or_else(|| Error::Ranks {
            world: state.offers.len(),
            reason: "a meeting had no outcome".into(),
        })
    }

    /// No rank waits from now on. The first reason stays.
    pub(super) fn stop(&self, rank: usize, why: &str) {
        let mut state = self.lock();
        state.stopped.get_or_insert_with(|| (rank, why.to_owned()));
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn error(&self) -> Option<Error> {
        let (rank, message) = self.stopped.clone()?;
        Some(Error::Rank { rank, message })
    }
}

/// The offers together, in the order of the ranks.
fn add(mut offers: impl Iterator<Item = Offer>) -> std::result::Result<Offer, String> {
    let Some(mut all) = offers.next() else {
        return Err("a meeting of no ranks".into());
    };
    for offer in offers {
        match (&mut all, &offer) {
            (Offer::Flag(all), Offer::Flag(one)) => *all |= one,
            (Offer::Single(all), Offer::Single(one)) if all.len() == one.len() => {
                all.iter_mut().zip(one).for_each(|(sum, x)| *sum += x);
            }
            (Offer::Double(all), Offer::Double(one)) if all.len() == one.len() => {
                all.iter_mut().zip(one).for_each(|(sum, x)| *sum += x);
            }
            _ => {
                return Err(format!(
                    "the ranks are out of step: one brings {}, another {}; do all train the same model?",
                    all.what(),
                    offer.what()
                ));
            }
        }
    }
    Ok(all)
}

impl Offer {
    fn what(&self) -> String {
        match self {
            Self::Single(list) => format!("{} numbers in f32", list.len()),
            Self::Double(list) => format!("{} numbers in f64", list.len()),
            Self::Flag(_) => "a yes or no".into(),
        }
    }
}
