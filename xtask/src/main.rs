//! The command line of SpectralKD.
fn main() {}
