//! The fast transforms on the CPU, plane by plane.

mod complex_plane;
mod real_plane;

pub(crate) use complex_plane::{ComplexPlane, Direction};
pub(crate) use real_plane::{Inner, RealPlane};
