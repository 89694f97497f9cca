//! Differentiable layers for Vision Transformers with fused CPU kernels.
