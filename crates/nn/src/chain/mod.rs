//! Layers in a row as one operation of candle's.
//!
//! candle adds every gradient that goes from one operation to the next onto a tensor of
//! zeros, on one thread, and keeps every tensor between two operations until the loss is
//! dropped. A [`Chain`] is a sequence of [`Operation`]s of one tensor each, at its end
//! perhaps a residual connection around all of them, that candle sees as one: gradients
//! pass from link to link as they are, and results that cost little are computed again
//! ([`Operation::is_cheap`]) instead of kept. The operations are the layers' own, so that
//! results and gradients are those of the layers one by one, to the bit.

mod bundle;
mod op;
mod operation;

pub(crate) use op::{Chain, End, apply};
pub(crate) use operation::{Gradients, Of1, Of2, Of3, Operation, Stored};
