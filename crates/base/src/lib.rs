//! Seeded counter-based random streams, the progress trait and atomic file writes.
