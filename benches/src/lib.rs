//! Nothing but the benches under `benches/`.
