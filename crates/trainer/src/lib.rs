//! The training loop: optimiser, schedule, averaging, checkpoints, events.
