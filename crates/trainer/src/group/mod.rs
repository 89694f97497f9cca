//! Several ranks that train as one: each takes its share of every batch, and their gradients meet before the update.
//!
//! [`Group`] is the seam; [`Alone`] is the group of one, and [`ranks`] runs a group of threads of this process, each
//! with a rayon pool of its own, so that none waits in a pool that another needs.
//!
//! ```
//! use spectralkd_trainer::{Group, Member, ranks};
//!
//! # type Failure = spectralkd_trainer::Error;
//! # fn main() -> Result<(), Failure> {
//! let any_odd = ranks(3, 1, |group: &mut Member| -> Result<bool, Failure> {
//!     group.any(group.rank() % 2 == 1)
//! })?;
//! assert_eq!(any_odd, [true; 3]);
//! # Ok(()) }
//! ```

mod meeting;
mod threads;

use candle_core::Tensor;

use crate::error::Result;

pub(crate) use threads::message;
pub use threads::{Member, ranks};

/// The ranks of a run as one of them sees them. All make the same calls in the same order; each call waits for all.
pub trait Group {
    /// Which one this is, below [`Group::world`]. Rank 0 writes events and checkpoints, and evaluates.
    fn rank(&self) -> usize;

    /// How many there are, at least 1.
    fn world(&self) -> usize;

    /// The sum over all ranks of a tensor `[n]` of f32 or f64, on the tensor's device: the same bits on every rank,
    /// whoever came first.
    ///
    /// # Errors
    /// [`crate::Error::Rank`] if another rank has stopped; [`crate::Error::Ranks`] where the ranks do not call the same
    /// thing.
    fn sum(&mut self, flat: &Tensor) -> Result<Tensor>;

    /// Whether any rank says so.
    ///
    /// # Errors
    /// As [`Group::sum`].
    fn any(&mut self, flag: bool) -> Result<bool>;

    /// Tells the others that this rank stops, and why: none waits for it any longer.
    fn fail(&mut self, why: &str);
}

/// The group of one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Group for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn world(&self) -> usize {
        1
    }

    fn sum(&mut self, flat: &Tensor) -> Result<Tensor> {
        Ok(flat.clone())
    }

    fn any(&mut self, flag: bool) -> Result<bool> {
        Ok(flag)
    }

    fn fail(&mut self, _why: &str) {}
}
