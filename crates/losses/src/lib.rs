//! Classification, logit and feature distillation losses, spectral and controls.
