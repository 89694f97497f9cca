//! What is taught: a teacher's outputs on a batch of views, computed or remembered.
//!
//! - [`FrozenTeacher`]: a model whose weights stay, run on every batch ("online");
//! - [`CachedTeacher`]: the outputs of one, computed once for every view that there can be;
//! - [`Placement`]: which of the two, from the number of views and a bound in bytes;
//! - [`Columns`]: from the teacher's classes to those of the data set.
//!
//! On a CPU in f32 both give the same bits: an image's outputs do not depend on what else is in its batch.

mod cached;
mod columns;
mod frozen;
mod placement;

use std::collections::BTreeSet;
use std::fmt::Debug;

use spectralkd_datasets::Batch;
use spectralkd_losses::{Outputs, Request, Shapes};

pub use cached::CachedTeacher;
pub use columns::Columns;
pub use frozen::{FrozenTeacher, Precision};
pub use placement::Placement;

use crate::error::Result;

/// Gives a frozen teacher's outputs on a batch. No gradient reaches it.
pub trait Teacher: Debug + Send + Sync {
    /// Its classes (the data set's, where it teaches logits), heads and maps.
    fn shapes(&self) -> &Shapes;

    /// What is asked for, on the views of a batch.
    ///
    /// # Errors
    /// An output that this teacher does not have or has not kept.
    fn outputs(&self, batch: &Batch, requests: &BTreeSet<Request>) -> Result<Outputs>;
}
